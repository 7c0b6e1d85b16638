package addressing

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// bind makes bindings of which each has its key for its value.
func bind(t testing.TB, m MatchMethod, keys ...string) *Bindings[string] {
	t.Helper()
	b := NewBindings[string](m)
	for _, k := range keys {
		var err error
		if b, err = b.Add(k, k); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func matches[T cmp.Ordered](b *Bindings[T], subject string) []T {
	var m Matcher[T]
	found := m.AppendMatches(nil, b, []byte(subject))
	slices.Sort(found)
	return found
}

func TestASubjectMatchesItsKeys(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method  MatchMethod
		keys    string
		subject string
		want    string
	}{
		{MatchAMQP, "a.* a.b a.c.# a.b.c", "a.b", "a.* a.b"},
		{MatchAMQP, "a.* a.b a.c.# a.b.c", "a.c", "a.* a.c.#"},
		{MatchAMQP, "a.* a.b a.c.# a.b.c", "a.c.d", "a.c.#"},
		{MatchAMQP, "a.* a.b a.c.# a.b.c", "x.y.z", ""},
		{MatchAMQP, "# #.# *.#", "", "# #.#"},
		{MatchAMQP, "#.a #.a.# #.a.#.a.# *.*", "a.a", "#.a #.a.# #.a.#.a.# *.*"},
		{MatchAMQP, "a/b a.b", "a/b", "a/b"},                   // '/' is an ordinary character
		{MatchAMQP, "a+b a.+", "a.+", "a.+"},                   // and so is '+'
		{MatchAMQP, "a.*b a.#b", "a.xb", ""},                   // a wildcard is a whole token
		{MatchAMQP, "a..b a.*.b", "a..b", "a.*.b a..b"},        // an empty token is a token
		{MatchAMQP, "a.b .a.b a.b.", ".a.b.", ".a.b a.b a.b."}, // but not before the first and after the last separator
		{MatchMQTT, "a/b a/+ c/# c/b", "a/b", "a/+ a/b"},
		{MatchMQTT, "a/b a/+ c/# c/b", "c/b", "c/# c/b"},
		{MatchMQTT, "a/b a/+ c/# c/b", "c/b/dee/eee", "c/#"},
		{MatchMQTT, "a/b a/+ c/# c/b", "c", "c/#"},
		{MatchMQTT, "a/b a/+ c/# c/b", "x.y.z", ""},
		{MatchMQTT, "# + +/+ a/*", "a/b", "# +/+"},
		{MatchMQTT, "a.b a/b", "a.b", "a.b"},
		{MatchMQTT, "#", "$SYS/x", "#"}, // as Interconnect; MQTT excludes it
	} {
		b := bind(t, c.method, strings.Fields(c.keys)...)
		if got := strings.Join(matches(b, c.subject), " "); got != c.want {
			t.Errorf("%v: %q in %q: matches %q, want %q", c.method, c.subject, c.keys, got, c.want)
		}
	}
}

func TestAnInvalidKeyIsRefusedWithAReason(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method      MatchMethod
		key, reason string
	}{
		{MatchAMQP, "", "no token: write a name, '*' or '#'"},
		{MatchAMQP, "...", "no token"},
		{MatchMQTT, "", "no token: write a name, '+' or '#'"},
		{MatchMQTT, "a/#/b", "not its last token"},
		{MatchMQTT, "#/#", "not its last token"},
		{MatchAMQP, strings.Repeat("a.", 300), "at most 255"},
	} {
		_, err := c.method.NormalizeKey(c.key)
		if err == nil || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%v: %q: %v, want %q", c.method, c.key, err, c.reason)
		}
		if _, err := NewBindings[int](c.method).Add(c.key, 1); err == nil {
			t.Errorf("%v: %q can be added", c.method, c.key)
		}
	}
	if _, err := ParseMatchMethod("blinky"); err == nil || !strings.Contains(err.Error(), "amqp or mqtt") {
		t.Errorf("error for an unknown method: %v", err)
	}
	for _, m := range []MatchMethod{MatchAMQP, MatchMQTT} {
		if got, err := ParseMatchMethod(m.String()); got != m || err != nil {
			t.Errorf("%v: %v, %v", m, got, err)
		}
	}
}

func TestKeysThatMatchTheSameHaveOneNormalForm(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method    MatchMethod
		key, want string
	}{
		{MatchAMQP, "#.*.#.a", "*.#.a"}, {MatchAMQP, ".a.b.", "a.b"}, {MatchAMQP, "a/b", "a/b"},
		{MatchMQTT, "/a/+/#", "a/+/#"}, {MatchMQTT, "a.b/", "a.b"},
	} {
		if got, err := c.method.NormalizeKey(c.key); got != c.want || err != nil {
			t.Errorf("%v: %q becomes %q, %v; want %q", c.method, c.key, got, err, c.want)
		}
	}
	if got := MatchAMQP.StrangeTokens("a.*b.#.c#.+d"); !slices.Equal(got, []string{"*b", "c#"}) {
		t.Errorf("strange tokens %q", got)
	}
	if got := MatchMQTT.StrangeTokens("a/+b/+/c.#"); !slices.Equal(got, []string{"+b", "c.#"}) {
		t.Errorf("strange tokens %q", got)
	}
}

// naiveTokens splits a subject by the rules, the slow way.
func naiveTokens(m MatchMethod, subject string) []string {
	separator := "."
	if m == MatchMQTT {
		separator = "/"
	}
	subject = strings.TrimLeft(subject, separator)
	subject = strings.TrimSuffix(subject, separator)
	if subject == "" {
		return nil
	}
	return strings.Split(subject, separator)
}

// naiveKey matches a key of one method as a pattern of addresses would.
func naiveKey(m MatchMethod, key, subject string) bool {
	k, s := naiveTokens(m, key), naiveTokens(m, subject)
	if m == MatchMQTT { // '*' is an ordinary token, '+' the wildcard
		for i := range s {
			s[i] = "=" + s[i]
		}
		for i, t := range k {
			switch t {
			case "+":
				k[i] = "*"
			case "#":
			default:
				k[i] = "=" + t
			}
		}
	}
	return naive(k, s)
}

func drawTokens(t *rapid.T, m MatchMethod, tokens []string, most int, what string) string {
	separator := "."
	if m == MatchMQTT {
		separator = "/"
	}
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom(tokens), 0, most).Draw(t, what), separator)
}

func TestBindingsMatchLikeTryingEveryKey(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		type binding struct {
			key   string
			value int
		}
		m := MatchMethod(rapid.IntRange(0, 1).Draw(t, "method"))
		b := NewBindings[int](m)
		var list []binding
		var matcher Matcher[int]
		for i := range rapid.IntRange(1, 20).Draw(t, "steps") {
			if len(list) > 0 && rapid.IntRange(0, 3).Draw(t, "remove") == 0 {
				at := rapid.IntRange(0, len(list)-1).Draw(t, "which")
				next, ok := b.Remove(list[at].key, list[at].value)
				if !ok {
					t.Fatalf("binding %v cannot be removed", list[at])
				}
				b, list = next, slices.Delete(list, at, at+1)
			} else {
				key := drawTokens(t, m, []string{"a", "b", "", "*", "+", "#", "#"}, 6, "key")
				next, err := b.Add(key, i)
				if err != nil {
					continue
				}
				b, list = next, append(list, binding{key, i})
			}
			if b.Len() != len(list) {
				t.Fatalf("%d bindings, want %d", b.Len(), len(list))
			}
			subject := drawTokens(t, m, []string{"a", "b", "", "*"}, 6, "subject")
			var want []int
			for _, e := range list {
				if naiveKey(m, e.key, subject) {
					want = append(want, e.value)
				}
			}
			slices.Sort(want)
			got := matcher.AppendMatches(nil, b, []byte(subject))
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Fatalf("%q in %v: matches %v, want %v", subject, list, got, want)
			}
		}
	})
}

func TestBindingsStayAsTheyWereWhenOthersAreMadeOfThem(t *testing.T) {
	t.Parallel()
	one := bind(t, MatchAMQP, "a.#")
	two, err := one.Add("a.#", "second")
	if err != nil {
		t.Fatal(err)
	}
	none, ok := one.Remove("a.#", "a.#")
	if _, unknown := one.Remove("a.#", "another"); !ok || unknown {
		t.Errorf("removed %v, and what is not there %v", ok, unknown)
	}
	for _, c := range []struct {
		b    *Bindings[string]
		want int
	}{{one, 1}, {two, 2}, {none, 0}} {
		if got := matches(c.b, "a.b"); len(got) != c.want || c.b.Len() != c.want {
			t.Errorf("matches %q, want %d", got, c.want)
		}
	}
}

func TestBindingsThatComeAndGoLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	b := bind(t, MatchAMQP, "#.a.#.b.#", "#.x.#")
	for i := range 10_000 {
		key := fmt.Sprintf("#.%d.#.b.#", i)
		next, err := b.Add(key, "")
		if err != nil {
			t.Fatal(err)
		}
		if got := matches(next, fmt.Sprintf("x.%d.b", i)); len(got) != 2 {
			t.Fatalf("after %d bindings: matches %q, want 2", i, got)
		}
		b, _ = next.Remove(key, "")
	}
	if len(b.tree.root.any.exact) != 2 {
		t.Errorf("%d nodes; want 2", len(b.tree.root.any.exact))
	}
}

func TestAMatchOfBindingsAllocatesNothing(t *testing.T) {
	b := bind(t, MatchAMQP, "orders.#", "#.eu.#.x", "#.eu.#.y.#.z", "*.b", "#", "orders.eu.1")
	var m Matcher[string]
	var dst []string
	subject := []byte("orders.eu.1")
	if n := testing.AllocsPerRun(100, func() { dst = m.AppendMatches(dst[:0], b, subject) }); n != 0 {
		t.Errorf("a match allocates %v times", n)
	}
	if len(dst) != 3 {
		t.Errorf("matches %q", dst)
	}
}

func FuzzBindings(f *testing.F) {
	f.Add(false, "a.#.b\n*.b\n#", "a.x.b")
	f.Add(false, "#.a.#.a.#.a.#.b", "a.a.a.a.a.a.c")
	f.Add(true, "a/+/#\n+/+", "a/b")
	f.Fuzz(func(t *testing.T, mqtt bool, keys, subject string) {
		m := MatchAMQP
		if mqtt {
			m = MatchMQTT
		}
		b := NewBindings[int](m)
		want := []int{}
		small := len(naiveTokens(m, subject)) <= 12
		for i, key := range strings.Split(keys, "\n") {
			next, err := b.Add(key, i)
			if err != nil || i > 20 || len(naiveTokens(m, key)) > 12 {
				continue
			}
			b = next
			if small && naiveKey(m, key, subject) {
				want = append(want, i)
			}
		}
		if got := matches(b, subject); small && !slices.Equal(got, want) {
			t.Fatalf("%q in %q: matches %v, want %v", subject, keys, got, want)
		}
	})
}

// The cost of a look-up grows with what matches, not with the number of bindings.
func BenchmarkBindings(b *testing.B) {
	for _, n := range []int{10, 1000, 100000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			bindings := NewBindings[int](MatchAMQP)
			for i := range n {
				var err error
				if bindings, err = bindings.Add(fmt.Sprintf("region.%d.%d.#", i/100, i%100), i); err != nil {
					b.Fatal(err)
				}
			}
			var m Matcher[int]
			var dst []int
			subject := []byte("region.0.7.orders.eu")
			for b.Loop() {
				if dst = m.AppendMatches(dst[:0], bindings, subject); len(dst) != 1 {
					b.Fatal("no match")
				}
			}
		})
	}
}
