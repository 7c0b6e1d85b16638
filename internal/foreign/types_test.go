package foreign

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// unsendable and unreceivable name, as patterns over the text form of a message, what a library cannot express or
// understand at all.
var (
	unsendable = map[Library]*regexp.Regexp{
		// Decimals, char, and arrays of them, of ubyte or of lists are unknown to go-amqp; it turns the symbol of a
		// descriptor into a string, and adds a body to every message.
		GoAMQP: regexp.MustCompile(`decimal|char:|array\((ubyte|list) |described\(symbol`),
		// rhea overwrites a descriptor of the body with the one of the amqp-value section.
		Rhea: regexp.MustCompile(`body\.value described`),
	}
	unreceivable = map[Library]*regexp.Regexp{
		GoAMQP: regexp.MustCompile(`decimal|char:|array\(list `),
	}
)

// TestTypes shows that values of every AMQP type arrive unchanged, from every library at every library: in the
// properties, the application properties, the message annotations and the body. testdata/types.txt holds the messages;
// what is sent and what arrives are compared as text.
func TestTypes(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join("testdata", "types.txt"))
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Split(strings.TrimSpace(string(b)), "\n\n")
	routes(t, func(t *testing.T, n *Network, ingress, egress string) {
		pairs(t, func(t *testing.T, sender, receiver Library) {
			var messages []string
			for _, m := range all {
				if matches(unsendable[sender], m) || matches(unreceivable[receiver], m) {
					continue
				}
				messages = append(messages, m)
			}
			file := writeMessages(t, messages)
			to := address(t, "closest")
			r := receiver.Start(t, Task{Command: "receive", URL: n.URL(egress), Address: to, Count: len(messages),
				Show: true})
			s := sender.Start(t, Task{Command: "send", URL: n.URL(ingress), Address: to, Values: file})
			wantSent(t, s.Result(), "accepted", len(messages))
			compareMessages(t, r.Result().Messages, messages, receiver)
		})
	})
}

func matches(pattern *regexp.Regexp, text string) bool {
	return pattern != nil && pattern.MatchString(text)
}

// compareMessages compares the text forms of messages, in any order: those of a high priority overtake the others.
func compareMessages(t *testing.T, got, want []string, receiver Library) {
	t.Helper()
	missing := slices.Clone(want)
	if receiver == GoAMQP {
		symbols := strings.NewReplacer("array(symbol ", "array(string ", "symbol:", "string:")
		for i, w := range missing {
			missing[i] = symbols.Replace(w) // go-amqp decodes symbols as strings
		}
	}
	var strange []string
	for _, g := range got {
		if i := slices.Index(missing, g); i >= 0 {
			missing = slices.Delete(missing, i, i+1)
		} else {
			strange = append(strange, g)
		}
	}
	if len(missing)+len(strange) > 0 {
		t.Errorf("these were sent and did not arrive:\n\n%s\n\nand these arrived instead:\n\n%s",
			strings.Join(missing, "\n\n"), strings.Join(strange, "\n\n"))
	}
}

// TestTypesAreComplete shows that the messages hold every type of the specification [1.6], each of the simple ones in
// the body, in the application properties and in the annotations, and every field of the properties [3.2.4].
func TestTypesAreComplete(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join("testdata", "types.txt"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	want := []string{
		"body.data binary:", "body.sequence list(", "body.value list(", "body.value map(", "body.value described(",
	}
	for name := range strings.FieldsSeq("boolean ubyte ushort uint ulong byte short int long float double decimal32 " +
		"decimal64 decimal128 char timestamp uuid binary string symbol") {
		want = append(want, "body.value "+name+":", "application."+name+" "+name+":",
			"annotation.x-opt-foreign-"+name+" "+name+":", "array("+name+" ")
	}
	for name := range strings.FieldsSeq("message-id user-id to subject reply-to correlation-id content-type " +
		"content-encoding absolute-expiry-time creation-time group-id group-sequence reply-to-group-id") {
		want = append(want, "properties."+name+" ")
	}
	for _, id := range []string{"ulong", "uuid", "binary", "string"} {
		want = append(want, "properties.message-id "+id+":", "properties.correlation-id "+id+":")
	}
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("testdata/types.txt has no %q", w)
		}
	}
}
