package router

import (
	"errors"
	"fmt"
	"strings"

	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/router/forwarding"
)

// This file decides who may change the router by management: users whom the configuration lists, if they are
// authenticated. Either this router has authenticated the user, or the ingress router has, which then names the user in
// an annotation. A router on the way passes the annotation on only if it comes from another router of our kind that has
// proved who it is by a certificate. What clients and other routers say of users does not count.

// mayWrite returns the user who sent a request that changes something, or why the request is refused. No mutex is held.
func (a *agent) mayWrite(b *forwarding.Branch, request []byte) (user string, err error) {
	user, by, err := a.requester(b, request)
	if err == nil && !a.router.isManager(user) {
		err = fmt.Errorf("user '%s' may not change router %s: its attribute 'managers' lists those who may", user, a.router.plane.ID)
	}
	if err != nil {
		a.router.host.Log(logging.Agent).Warningf("A change asked for by %s is refused: %v", by, err)
		return "", err
	}
	a.router.host.Log(logging.Agent).Noticef("User '%s' changes this router, by %s", user, by)
	return user, nil
}

// requester returns the user who sent a request, and a description of the connection that the request came by. The
// error says why no user is known.
func (a *agent) requester(b *forwarding.Branch, request []byte) (user, by string, err error) {
	c := b.Delivery.Origin
	if c.Resident != nil {
		return "", "the router itself", errors.New("it is the router's own answer to somebody")
	}
	user, vouches, peer := c.Peer.User, c.Peer.Vouches, c.Near.ID // which never change after the open
	by = fmt.Sprintf("[C%d] from %s (%s)", c.Number, c.Remote, peer)
	if c.Terms.Role != forwarding.RoleInterRouter {
		if user == "" {
			err = errors.New("the connection is not authenticated as a user; connect with a user and password, or a certificate")
		}
		return user, by, err
	}
	if !vouches {
		return "", by, fmt.Errorf("the request came over router %s, which has not proved who it is by a certificate; "+
			"connect to router %s itself", peer, a.router.plane.ID)
	}
	var e message.Envelope
	if ok, err := e.Scan(request, true); err != nil || !ok || len(e.Sender) == 0 {
		return "", by, fmt.Errorf("no router vouches for a user who sent the request; connect as a user, and to router %s "+
			"itself if a router on the way is of another kind or has no certificate", a.router.plane.ID)
	}
	return string(e.Sender), by, nil
}

// isManager reports whether the configuration lets a user change the router. "*" lists every user.
func (r *Router) isManager(user string) bool {
	for name := range strings.SplitSeq(r.cfg.Router.Managers, ",") {
		if name = strings.TrimSpace(name); name == "*" || name != "" && name == user {
			return true
		}
	}
	return false
}
