package router

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Azure/go-amqp"

	"github.com/postroad/postroad/internal/amqp/sasl"
	"github.com/postroad/postroad/tls/tlstest"
)

// managed is a chain of routers A, B, C with users: ann may change B, bob may not. What a router has on its connection to
// the next one is said by certified.
func managed(t *testing.T, certified func(id string) bool) *network {
	t.Helper()
	var users []byte
	for _, user := range []string{"ann", "bob"} {
		line, err := sasl.Entry(user, "SCRAM-SHA-256", password, 4096)
		if err != nil {
			t.Fatal(err)
		}
		users = append(users, line+"\n"...)
	}
	file := filepath.Join(t.TempDir(), "users")
	tlstest.WriteFile(t, file, users)
	ca := tlstest.NewAuthority(t, "mesh", nil)
	n := newNetwork(t)
	before := ""
	for _, id := range []string{"A", "B", "C"} {
		pair := ca.Issue(id, nil)
		p := plan{id: id, standalone: true, router: fmt.Sprintf("usersFile: %q, managers: 'carol, ann'", file),
			sections: fmt.Sprintf("sslProfiles: [{name: p, caCertFile: %q, certFile: %q, privateKeyFile: %q}]", ca.File,
				pair.CertFile, pair.KeyFile),
			listeners: `  - {name: users, host: 127.0.0.1, port: 0, saslMechanisms: PLAIN, authenticatePeer: true}
  - {name: trusting, host: 127.0.0.1, port: 0, stripAnnotations: no}
  - {name: certified, host: 127.0.0.1, port: 0, role: inter-router, sslProfile: p, saslMechanisms: EXTERNAL}
  - {name: open, host: 127.0.0.1, port: 0, role: inter-router}`}
		if before != "" {
			listener, more := "open", ""
			if certified(id) {
				listener, more = "certified", ", sslProfile: p, verifyHostname: false"
			}
			address := n.node(before).Addr(listener)
			p.connectors = fmt.Sprintf("{name: to-%s, host: 127.0.0.1, port: %s, role: inter-router%s}", before,
				address[strings.LastIndexByte(address, ':')+1:], more)
		}
		n.routers = append(n.routers, start(t, strings.Replace(p.text(), "mode: standalone", "mode: interior", 1)))
		before = id
	}
	n.converge()
	return n
}

// user connects as a user.
func user(t testing.TB, r *Router, name string) *client {
	return connectWith(t, "amqp://"+r.Addr("users"), &amqp.ConnOptions{SASLType: amqp.SASLTypePlain(name, password)})
}

// drain asks a router to drain, with annotations, and returns the status and its description.
func (m *manager) drain(node, id string, forged amqp.Annotations) string {
	t := m.requests.t
	t.Helper()
	m.asked++
	request := &amqp.Message{Annotations: forged, Properties: &amqp.MessageProperties{To: &node,
		ReplyTo: ptr(m.replies.link.Address()), CorrelationID: m.asked},
		ApplicationProperties: map[string]any{"operation": "DRAIN", "type": "router", "name": id}}
	wantAccepted(t, "a request to drain", m.requests.send(request))
	reply := m.replies.accept()
	return fmt.Sprint(reply.ApplicationProperties["statusCode"], " ", reply.ApplicationProperties["statusDescription"])
}

// isAsked tells whether the router was told to drain.
func (r *Router) isAsked() bool {
	select {
	case <-r.asked:
		return true
	default:
		return false
	}
}

func always(string) bool { return true }

// TestAManagerDrainsAnyRouterFromAnyRouter: each router on the way has proved who it is.
func TestAManagerDrainsAnyRouterFromAnyRouter(t *testing.T) {
	t.Parallel()
	for _, from := range []string{"A", "B", "C"} {
		n := managed(t, always)
		for _, id := range []string{"A", "B", "C"} {
			m := user(t, n.node(from), "ann").manager()
			if got := m.drain("_topo/0/"+id+"/$management", id, nil); got != "200 OK" {
				t.Errorf("asked from %s, %s answers %s", from, id, got)
			}
			eventually(t, "the router is told to drain", func() error {
				if !n.node(id).isAsked() {
					return errors.New("not yet")
				}
				return nil
			})
		}
	}
}

// TestAUserWhoOnlyReadsChangesNothing: nor does somebody without a name, whatever the message claims.
func TestAUserWhoOnlyReadsChangesNothing(t *testing.T) {
	t.Parallel()
	n := managed(t, always)
	claims := amqp.Annotations{"x-opt-qd.user": "ann", "x-opt-qd.ingress": "0/A"}
	for _, r := range n.routers {
		anonymous := "the connection is not authenticated as a user"
		if r.ID() != "B" {
			anonymous = "no router vouches for a user who sent the request"
		}
		for what, c := range map[string]struct {
			client *client
			want   string
		}{
			"a user":                         {user(t, r, "bob"), "403 Not allowed: user 'bob' may not change router B"},
			"nobody":                         {connect(t, r), "403 Not allowed: " + anonymous},
			"nobody, and forged annotations": {connectWith(t, "amqp://"+r.Addr("trusting"), nil), "403 Not allowed: " + anonymous},
		} {
			m := c.client.manager()
			for _, a := range []amqp.Annotations{nil, claims} {
				if got := m.drain("_topo/0/B/$management", "B", a); !strings.HasPrefix(got, c.want) {
					t.Errorf("%s at %s is answered %s", what, r.ID(), got)
				}
			}
			if len(m.query("_topo/0/B/$management", "router")) != 1 {
				t.Errorf("%s at %s may not read", what, r.ID())
			}
		}
	}
	if n.node("B").isAsked() {
		t.Error("B drains")
	}
}

// TestARouterWithoutACertificateIsNotBelieved: what it says of users does not count, here and farther on.
func TestARouterWithoutACertificateIsNotBelieved(t *testing.T) {
	t.Parallel()
	n := managed(t, func(id string) bool { return id != "B" }) // between A and B, nobody has one
	for _, c := range []struct{ from, to, want string }{
		{"A", "B", "403 Not allowed: the request came over router A, which has not proved who it is by a certificate; " +
			"connect to router B itself"},
		{"A", "C", "403 Not allowed: no router vouches for a user who sent the request"},
		{"B", "B", "200 OK"},
		{"B", "C", "200 OK"},
	} {
		m := user(t, n.node(c.from), "ann").manager()
		if got := m.drain("_topo/0/"+c.to+"/$management", c.to, nil); !strings.HasPrefix(got, c.want) {
			t.Errorf("asked from %s, %s answers %s", c.from, c.to, got)
		}
	}
}

// TestAReplyToTheManagementNodeChangesNothing: somebody's reply-to does not borrow the rights of who replies.
func TestAReplyToTheManagementNodeChangesNothing(t *testing.T) {
	t.Parallel()
	n := managed(t, always)
	for _, from := range []string{"A", "B"} {
		m := user(t, n.node(from), "ann").manager()
		request := to("$management", &amqp.Message{Properties: &amqp.MessageProperties{ReplyTo: ptr("_topo/0/B/$management")},
			ApplicationProperties: map[string]any{"operation": "DRAIN", "type": "router", "name": "B"}})
		request.Properties.ReplyTo = ptr("_topo/0/B/$management")
		if from == "A" { // B would take this one for what it is
			wantAccepted(t, "a request", m.requests.send(request))
		}
		m.query("_topo/0/B/$management", "router") // it has been there
	}
	if n.node("B").isAsked() {
		t.Error("B drains")
	}
}

// TestARouterWithoutManagersIsChangedByNobody: that is what a configuration says that says nothing.
func TestARouterWithoutManagersIsChangedByNobody(t *testing.T) {
	t.Parallel()
	r := alone(t).node("A")
	for managers, want := range map[string]bool{"": false, " , ": false, "ann": true, "bob , ann": true, "*": true, "annabel": false} {
		r.cfg.Router.Managers = managers
		if got := r.isManager("ann"); got != want {
			t.Errorf("with %q, ann is a manager: %v", managers, got)
		}
	}
}
