// Package link makes network interfaces and moves them into the network
// namespace of a process: the three messages of rtnetlink(7) that runtime.json
// needs, without a library that would be a tenth of init.
package link

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/composeos/compose/pkgs/init/internal/bundle"
)

// vethPeer is VETH_INFO_PEER (linux/veth.h).
const vethPeer = 1

// Messages returns what to ask the kernel for, in order, so that the process
// has the interface n. One that is made is made in the process's namespace,
// but a veth and what wants createInRoot (wireguard, whose socket stays where
// it was made) are made here and then moved; what is not made is moved.
func Messages(n bundle.Interface, pid int) ([][]byte, error) {
	kind := n.Add
	if kind == "" && n.Peer != "" {
		kind = "veth"
	}
	move := message(0, attribute(unix.IFLA_IFNAME, text(n.Name)), attribute(unix.IFLA_NET_NS_PID, number(pid)))
	if n.Name == "" {
		return nil, errors.New("an interface has no name")
	}
	if kind == "" {
		return [][]byte{move}, nil
	}
	info := attribute(unix.IFLA_INFO_KIND, text(kind))
	if kind == "veth" {
		peer := append(make([]byte, unix.SizeofIfInfomsg), attribute(unix.IFLA_IFNAME, text(n.Peer))...)
		info = append(info, attribute(unix.IFLA_INFO_DATA, attribute(vethPeer, peer))...)
	}
	attributes := [][]byte{attribute(unix.IFLA_IFNAME, text(n.Name)), attribute(unix.IFLA_LINKINFO, info)}
	if kind == "veth" || n.CreateInRoot {
		return [][]byte{message(unix.NLM_F_CREATE|unix.NLM_F_EXCL, attributes...), move}, nil
	}
	attributes = append(attributes, attribute(unix.IFLA_NET_NS_PID, number(pid)))
	return [][]byte{message(unix.NLM_F_CREATE|unix.NLM_F_EXCL, attributes...)}, nil
}

// text is a name as the kernel has it, with its zero.
func text(s string) []byte { return append([]byte(s), 0) }

func number(n int) []byte { return binary.NativeEndian.AppendUint32(nil, uint32(n)) }

// attribute is a struct rtattr with its value, padded to four bytes.
func attribute(kind uint16, value []byte) []byte {
	a := binary.NativeEndian.AppendUint16(nil, uint16(unix.SizeofRtAttr+len(value)))
	a = binary.NativeEndian.AppendUint16(a, kind)
	a = append(a, value...)
	for len(a)%unix.RTA_ALIGNTO != 0 {
		a = append(a, 0)
	}
	return a
}

// message is an RTM_NEWLINK that wants an answer.
func message(flags uint16, attributes ...[]byte) []byte {
	size := unix.SizeofNlMsghdr + unix.SizeofIfInfomsg
	for _, a := range attributes {
		size += len(a)
	}
	m := binary.NativeEndian.AppendUint32(nil, uint32(size))
	m = binary.NativeEndian.AppendUint16(m, unix.RTM_NEWLINK)
	m = binary.NativeEndian.AppendUint16(m, flags|unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	m = append(m, make([]byte, 8+unix.SizeofIfInfomsg)...) // sequence, port, struct ifinfomsg
	for _, a := range attributes {
		m = append(m, a...)
	}
	return m
}

// Give gives the process the interface n.
func Give(n bundle.Interface, pid int) error {
	messages, err := Messages(n, pid)
	if err != nil {
		return err
	}
	for _, m := range messages {
		if err := ask(m); err != nil {
			return fmt.Errorf("interface %s: %w", n.Name, err)
		}
	}
	return nil
}

// ask sends a message and reads the answer, an NLMSG_ERROR with 0 for yes.
func ask(m []byte) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.Sendto(fd, m, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	buf := make([]byte, 8192)
	n, _, err := unix.Recvfrom(fd, buf, 0)
	if err != nil {
		return err
	}
	return answer(buf[:n])
}

// answer reads an NLMSG_ERROR (netlink(7)).
func answer(m []byte) error {
	if len(m) < unix.SizeofNlMsghdr+4 || binary.NativeEndian.Uint16(m[4:]) != unix.NLMSG_ERROR {
		return errors.New("an answer that is none")
	}
	if code := int32(binary.NativeEndian.Uint32(m[unix.SizeofNlMsghdr:])); code != 0 {
		return syscall.Errno(-code)
	}
	return nil
}
