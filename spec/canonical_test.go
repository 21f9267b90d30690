package spec

import (
	"encoding/json"
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// text marshals as a text, through its pointer.
type text struct{ s string }

func (t *text) MarshalText() ([]byte, error) { return []byte(t.s), nil }

type inner struct {
	B int `json:"b"`
	C int `json:"c"`
}

type everything struct {
	Z     string           `json:"z"`
	A     []int            `json:"a"`
	Nil   *int             `json:"nil"`
	Map   map[string]bool  `json:"map"`
	Nums  map[int]string   `json:"nums,omitempty"`
	Bytes []byte           `json:"bytes,omitempty"`
	Raw   json.RawMessage  `json:"raw,omitempty"`
	Num   json.Number      `json:"num,omitempty"`
	Text  text             `json:"text"`
	Any   any              `json:"any,omitempty"`
	Big   uint64           `json:"big,omitempty"`
	Str   int              `json:"str,string,omitempty"`
	Zero  struct{ X int }  `json:"zero,omitzero"`
	F     float64          `json:"f,omitempty"`
	Skip  string           `json:"-"`
	Named string           // as it is called
	Hook  *specs.Hook      `json:"hook,omitempty"`
	Array [2]int           `json:"array"`
	Deep  map[string][]any `json:"deep,omitempty"`
	inner
	C string `json:"c"` // over inner's
}

func TestMarshalCanonical(t *testing.T) {
	tests := []struct {
		name string
		in   any
		want string
	}{
		{"null", nil, "null\n"},
		{"empty list", []string{}, "[]\n"},
		{"nil list", []string(nil), "[]\n"},
		{"nil map", map[string]int(nil), "{}\n"},
		{"nil pointer", (*everything)(nil), "null\n"},
		{"indent", map[string][]int{"a": {1, 2}, "b": {}}, "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": []\n}\n"},
		{"keys in the order of bytes", map[string]int{"b": 1, "B": 2, "é": 3, "a": 4, "aa": 5}, "{\n  \"B\": 2,\n  \"a\": 4,\n  \"aa\": 5,\n  \"b\": 1,\n  \"é\": 3\n}\n"},
		{"no HTML", "<a>&\u2028\u007f", "\"<a>&\u2028\u007f\"\n"},
		{"escapes", "\x00\x1f\"\\/\b\f\n\r\t", `"\u0000\u001f\"\\/\b\f\n\r\t"` + "\n"},
		{"emoji", "😀", "\"😀\"\n"},
		{"whole numbers", []any{int8(-1), uint64(math.MaxUint64), int64(math.MinInt64)}, "[\n  -1,\n  18446744073709551615,\n  -9223372036854775808\n]\n"},
		{
			"other numbers",
			[]any{1.0, 0.5, 0.0, 1e20, 1e21, 1.5e300, 1e-6, 1e-7, float32(0.1), math.Copysign(0, -1)},
			"[\n  1,\n  0.5,\n  0,\n  100000000000000000000,\n  1e+21,\n  1.5e+300,\n  0.000001,\n  1e-7,\n  0.1,\n  0\n]\n",
		},
		{"JSON is laid out anew", json.RawMessage(`{"b":1.0,"a":[1e2,-0,12345678901234567890123]}`), "{\n  \"a\": [\n    100,\n    0,\n    12345678901234567890123\n  ],\n  \"b\": 1\n}\n"},
		{"our own tags", Config{Binds: []string{}, UID: &ID{}, Runtime: Runtime{Mkdir: []string{"/a"}}}, "{\n  \"binds\": [],\n  \"runtime\": {\n    \"mkdir\": [\n      \"/a\"\n    ]\n  },\n  \"uid\": 0\n}\n"},
		{"embedded struct of runtime-spec", specs.LinuxThrottleDevice{Rate: 3}, "{\n  \"major\": 0,\n  \"minor\": 0,\n  \"rate\": 3\n}\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := MarshalCanonical(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestMarshalCanonicalAgrees holds the encoder against encoding/json: but for
// layout, and nil lists and maps, both say the same.
func TestMarshalCanonicalAgrees(t *testing.T) {
	v := everything{
		Z: "z", A: []int{3, 1}, Map: map[string]bool{"x": true}, Nums: map[int]string{10: "a", 9: "b"}, Bytes: []byte("hi"),
		Raw: json.RawMessage(`{"q":[null,true]}`), Num: "17", Text: text{"t"}, Any: map[string]any{"k": 1.5}, Big: 1 << 63, Str: 5,
		F: 2.25, Skip: "no", Named: "n", Hook: &specs.Hook{Path: "/x"}, Deep: map[string][]any{"d": {[]any{}, "s"}}, inner: inner{1, 2}, C: "c",
	}
	got, err := MarshalCanonical(&v)
	if err != nil {
		t.Fatal(err)
	}
	std, err := json.Marshal(&v)
	if err != nil {
		t.Fatal(err)
	}
	var a, b any
	if err := errors.Join(json.Unmarshal(got, &a), json.Unmarshal(std, &b)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b, a); diff != "" {
		t.Errorf("-encoding/json +ours:\n%s", diff)
	}
}

func TestMarshalCanonicalRefuses(t *testing.T) {
	circle := map[string]any{}
	circle["a"] = circle
	deep := any(1)
	for range maxDepth + 1 {
		deep = []any{deep}
	}
	tests := []struct {
		name, want string
		in         any
	}{
		{"not UTF-8", `"a\xff" is not UTF-8`, "a\xff"},
		{"key that is not UTF-8", "is not UTF-8", map[string]int{"\xff": 1}},
		{"NaN", "infinite or none", math.NaN()},
		{"infinite", "infinite or none", math.Inf(1)},
		{"circle", "more than 64 levels", circle},
		{"deep", "more than 64 levels", deep},
		{"channel", "cannot be written", make(chan int)},
		{"bad JSON", "unexpected", json.RawMessage("{")},
		{"bad number", "is no number", json.Number("x")},
		{"number beyond all", "is no number", json.RawMessage("1e999")},
		{"key", "cannot be a key", map[float64]int{1: 1}},
		{"where", "a: b: ", map[string]any{"a": map[string]any{"b": "\xff"}}},
		{"keys alike", "the key \"1\" is there twice", map[any]int{}},
	}
	for _, tt := range tests {
		if tt.name == "keys alike" {
			tt.in = map[text2]int{{"x"}: 1, {"y"}: 2}
		}
		t.Run(tt.name, func(t *testing.T) {
			got, err := MarshalCanonical(tt.in)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("want %q, got %v %.100s", tt.want, err, got)
			}
		})
	}
}

// text2 has the same text for all its values.
type text2 struct{ s string }

func (text2) MarshalText() ([]byte, error) { return []byte("1"), nil }

// TestCheckJSONKeepsNothing holds that memory does not grow with how many values a
// document has.
func TestCheckJSONKeepsNothing(t *testing.T) {
	data := []byte("[" + strings.Repeat(`[0,{"a":[]}],`, 1<<17) + "0]")
	live := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	r := &jsonReader{data: data, line: 1, discard: true}
	before := live()
	n, err := r.read()
	if err != nil {
		t.Fatal(err)
	}
	if grown := int64(live() - before); grown > 1<<20 {
		t.Errorf("%d bytes are kept of %d", grown, len(data))
	}
	if n == nil || len(n.Content) != 0 {
		t.Errorf("a node with %d parts", len(n.Content))
	}
}

func TestCheckJSON(t *testing.T) {
	deep := strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth)
	for _, good := range []string{"1", ` {"a": [true, false, null, -1.5e+3, "\u00e9\ud83d\ude00"], "b": {}} `, deep, `"\"\\\/\b\f\n\r\t"`, "0", "[]\n"} {
		if err := CheckJSON([]byte(good)); err != nil {
			t.Errorf("%s: %v", good, err)
		}
		if !json.Valid([]byte(good)) {
			t.Errorf("%s: encoding/json refuses it", good)
		}
	}
	tests := []struct{ in, want string }{
		{"", "1:1: unexpected end"},
		{"{} {}", "1:4: unexpected '{' behind the end of the value"},
		{"[1,]", "1:4: unexpected ']'"},
		{"[1 2]", "1:4: unexpected '2'; want a comma or ']'"},
		{"{\"a\":1,}", "1:8: unexpected '}'; want a key"},
		{"{a:1}", "1:2: unexpected 'a'; want a key"},
		{`{"a" 1}`, "1:6: unexpected '1'; want a colon"},
		{"{\"a\":1,\n \"a\":2}", "2:2: the key \"a\" is there twice"},
		{`{"a":1,"A":2}`, "1:8: the key \"A\" is there twice: as \"a\" before"},
		{`[{"ſ":1,"s":2,"K":1}]`, ""},
		{"[" + deep + "]", "more than 64 levels deep"},
		{"\"\xff\"", "1:2: the byte 0xff is not UTF-8"},
		{"\"a\nb\"", "has no end"},
		{"\"a\tb\"", "U+0009 must be escaped"},
		{`"\x41"`, "1:2: unknown escape"},
		{`"\u12"`, "unknown escape"},
		{`"\u12g4"`, "unknown escape"},
		{`"\ud800"`, "half of a surrogate pair"},
		{`"\ud800\u0041"`, "half of a surrogate pair"},
		{`"\udc00"`, "half of a surrogate pair"},
		{"01", "is not a number"},
		{"-", "is not a number"},
		{"1.", "is not a number"},
		{"1e", "is not a number"},
		{"+1", "unexpected '+'"},
		{"tru", "unexpected 't'"},
		{"nul", "unexpected 'n'"},
		{"'a'", `unexpected '\''`},
		{"\ufeff1", `unexpected`},
		{"\"é\xc3\"", "1:3: the byte 0xc3"},
		{"[" + strings.Repeat(`"é",`, 1<<20) + "\n" + strings.Repeat(`"é",`, 1<<20) + "]", "2:4194305: unexpected ']'"},
	}
	for _, tt := range tests {
		err := CheckJSON([]byte(tt.in))
		if tt.want == "" {
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.100s: want %q, got %v", tt.in, tt.want, err)
		}
	}
}

func FuzzMarshalCanonical(f *testing.F) {
	for _, s := range []string{
		`{"b":[1,2.50,1e400],"a":"\u00e9"}`, `[]`, `{}`, `-0`, `1e-7`, `"\ud83d\ude00"`, `{"a":{"a":{}}}`, `1e21`, `100000000000000000000000`, `0.1e1`, `"\u2028<"`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		first, err := MarshalCanonical(json.RawMessage(data))
		if err != nil {
			return
		}
		if !json.Valid(data) || !json.Valid(first) {
			t.Fatalf("encoding/json refuses %q or %q", data, first)
		}
		second, err := MarshalCanonical(json.RawMessage(first))
		if err != nil || string(first) != string(second) {
			t.Fatalf("not the same again: %v\n%s\n%s", err, first, second)
		}
		var a, b any
		if err := json.Unmarshal(data, &a); err != nil {
			return // a whole number that is too large for encoding/json
		}
		if err := json.Unmarshal(first, &b); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(a, b); diff != "" {
			t.Fatalf("means something else:\n%s", diff)
		}
	})
}
