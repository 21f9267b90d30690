package runc

import "testing"

func TestLastMessage(t *testing.T) {
	for _, tt := range []struct{ name, log, want string }{
		{"nothing", "", ""},
		{"no error", `{"level":"info","msg":"x"}`, ""},
		{"half a line", `{"level":"error","ms`, ""},
		{"the last error", "{\"level\":\"error\",\"msg\":\"first\"}\n{\"level\":\"fatal\",\"msg\":\"last\"}\n{\"level\":\"warning\",\"msg\":\"then\"}\n", "last"},
		{
			"what could not be run, once",
			`{"level":"error","msg":"runc run failed: unable to start container process: error during container init: exec: \"/x\": not found"}`,
			`exec: "/x": not found`,
		},
		{
			"what could not be done, once",
			`{"level":"error","msg":"runc create failed: unable to start container process: error during container init: exec: \"/x\": not found"}`,
			`exec: "/x": not found`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := lastMessage([]byte(tt.log)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
