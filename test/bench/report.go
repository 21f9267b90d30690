package main

import (
	"bufio"
	"fmt"
	"io"
)

// report prints what each case took, what else is of interest, and each limit
// with what was found.
func report(to io.Writer, r results, slack float64) error {
	w := bufio.NewWriter(to)
	fmt.Fprintf(w, "%-23s %7s %8s %7s %8s\n", "case, medians", "CPU s", "wall s", "RSS MB", "MB made")
	for _, c := range cases() {
		u := r.medians[c.name]
		made := ""
		if u.size > 0 {
			made = fmt.Sprintf("%.1f", float64(u.size)/1e6)
		}
		fmt.Fprintf(w, "%-23s %7.2f %8.3f %7.0f %8s  %s\n", c.name, u.cpu.Seconds(), u.wall.Seconds(), float64(u.rss)/1e6, made, c.what)
	}
	fmt.Fprintf(w, "\n%-72s %7s\n", "told, without a limit", "found")
	for _, f := range figures() {
		fmt.Fprintf(w, "%-72s %7.2f\n", f.what, f.value(r))
	}
	fmt.Fprintf(w, "\nwhat is new\n")
	for _, change := range []string{oneFile, onePackage, wholePackage} {
		fmt.Fprintf(w, "%-23s %v\n", change, r.differences[change])
	}
	fmt.Fprintf(w, "\n%-72s %7s %8s\n", "limits", "found", "at most")
	for _, l := range limits() {
		verdict := "kept"
		if !l.kept(r, slack) {
			verdict = "EXCEEDED"
		}
		fmt.Fprintf(w, "%-72s %7.2f %8.1f  %s\n", l.what, l.value(r), l.at(slack), verdict)
	}
	return w.Flush()
}
