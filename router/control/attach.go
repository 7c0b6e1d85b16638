package control

import (
	"fmt"
	"strings"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/forwarding"
)

// answerAttach decides about an attach of a client.
func (k *Control) answerAttach(l *forwarding.Link, a *wire.Attach) *forwarding.AttachAnswer {
	answer := &forwarding.AttachAnswer{Attach: &wire.Attach{
		SndSettleMode: a.SndSettleMode, // reflected: some clients insist
		RcvSettleMode: wire.ReceiverFirst,
	}}
	switch {
	case l.End.IsRefused(a):
		answer.Err = &wire.Error{Condition: wire.ErrResourceLimitExceeded,
			Description: "the router is short of memory and takes no new links; try again later, or another router"}
	case a.Role == wire.RoleReceiver:
		k.answerReceiver(l, a, answer)
	default:
		k.answerSender(l, a, answer)
	}
	if answer.Err != nil { // [2.6.3] a refused link has no terminus on this side
		if a.Role == wire.RoleReceiver {
			answer.Attach.Source, answer.Attach.Target = nil, a.Target
		} else {
			answer.Attach.Source, answer.Attach.Target = a.Source, nil
		}
	}
	return answer
}

// answerReceiver attaches a client's receiver: messages leave the router.
func (k *Control) answerReceiver(l *forwarding.Link, a *wire.Attach, answer *forwarding.AttachAnswer) {
	source := wire.Source{ExpiryPolicy: "session-end"}
	if a.Source != nil {
		source = *a.Source
	}
	source.Filter = nil // no filter is in effect on a message-routed link
	source.DistributionMode = ""
	answer.Attach.Source, answer.Attach.Target = &source, a.Target
	var key string
	switch {
	case source.Dynamic && nodeAddress(source.DynamicNodeProperties) != "":
		answer.Err = noRoute(source.DynamicNodeProperties)
		return
	case source.Dynamic:
		name := "temp." + k.Plane.NewName()
		source.Address, source.HasAddress = "amqp:/_topo/"+addressing.Area+"/"+k.Plane.ID+"/"+name, true
		source.DynamicNodeProperties = nil
		key = "L" + name
	case !source.HasAddress || source.Address == "":
		answer.Err = &wire.Error{Condition: wire.ErrInvalidField,
			Description: "the source has no address; give one, or ask for a dynamic one"}
		return
	default:
		parsed := k.Plane.Identity.ParseIn(l.End.Peer.Space, source.Address)
		if err := consumable(parsed, source.Address); err != nil {
			answer.Err = err
			return
		}
		parsed.Phase = k.phaseFor(l, parsed, source.Capabilities)
		key = parsed.Key()
	}
	l.AddressText = source.Address
	at := k.Address(key)
	if at.Distribution == addressing.DistributionUnavailable {
		k.DropUnused(at)
		answer.Err = &wire.Error{Condition: wire.ErrNotFound, Description: "Node not found: " + source.Address}
		return
	}
	answer.Address = at.Address
}

// consumable returns why a client may not consume from an address, nil if it may. An address is refused that is another
// router's, a service of the routers, or somebody's reply address.
func consumable(a addressing.Address, text string) *wire.Error {
	reserved := false
	switch a.Class {
	case addressing.ClassMobile, addressing.ClassLocal:
		reserved = strings.HasPrefix(a.Text, "$management") ||
			strings.HasPrefix(a.Text, "_$") && !strings.HasPrefix(a.Text, "_$temp.") || // _$temp. is of dynamic targets
			a.Class == addressing.ClassLocal && (strings.HasPrefix(a.Text, "temp.") || strings.HasPrefix(a.Text, "qd"))
	default:
		reserved = true
	}
	if !reserved {
		return nil
	}
	return &wire.Error{Condition: wire.ErrUnauthorizedAccess,
		Description: fmt.Sprintf("address %q is the routers' own; clients may not consume from it", text)}
}

// answerSender attaches a client's sender: messages enter the router.
func (k *Control) answerSender(l *forwarding.Link, a *wire.Attach, answer *forwarding.AttachAnswer) {
	answer.Attach.Source = a.Source
	answer.Attach.MaxMessageSize = l.End.Terms.MaxMessageSize
	if a.Coordinator != nil {
		answer.Err = &wire.Error{Condition: wire.ErrPreconditionFailed,
			Description: "transactions need a link route to a transaction coordinator, and there is none"}
		return
	}
	target := wire.Target{ExpiryPolicy: "session-end"}
	if a.Target != nil {
		target = *a.Target
	}
	answer.Attach.Target = &target
	switch {
	case target.Dynamic && nodeAddress(target.DynamicNodeProperties) != "":
		answer.Err = noRoute(target.DynamicNodeProperties)
		return
	case target.Dynamic:
		target.Address, target.HasAddress = "amqp:/_$temp."+k.Plane.NewName(), true
		target.DynamicNodeProperties = nil
	case !target.HasAddress || target.Address == "": // anonymous: each message says where to
		answer.Reachable = true
		return
	}
	parsed := k.Plane.Identity.ParseIn(l.End.Peer.Space, target.Address)
	parsed.Phase = k.phaseFor(l, parsed, target.Capabilities)
	answer.To = []byte(target.Address)
	if l.End.Peer.Space != "" {
		answer.To = parsed.AppendForRouters(nil)
	}
	l.AddressText = target.Address
	at := k.Address(parsed.Key())
	if at.Distribution == addressing.DistributionUnavailable {
		k.DropUnused(at)
		answer.Err = &wire.Error{Condition: wire.ErrNotFound, Description: "Node not found: " + target.Address}
		return
	}
	at.Senders[l] = struct{}{}
	at.Crowd.Store(int32(len(at.Senders)))
	answer.Address = at.Address
	answer.Reachable = at.ReachableFrom(l.Fallback)
}

// nodeAddress returns the address in the properties of a dynamic node, "" for none. Only a link route could make such a
// node.
func nodeAddress(properties wire.Raw) string {
	if len(properties) == 0 {
		return ""
	}
	v, _, err := wire.DecodeValue(properties)
	m, ok := v.(wire.Map)
	if err != nil || !ok {
		return ""
	}
	for _, e := range m {
		if e.Key == wire.Symbol("x-opt-qd.address") {
			address, _ := e.Value.(string)
			return address
		}
	}
	return ""
}

// noRoute refuses a dynamic node that only a link route could make.
func noRoute(properties wire.Raw) *wire.Error {
	return &wire.Error{Condition: wire.ErrNotFound,
		Description: fmt.Sprintf("qd:no-route-to-dest: no link route leads to %q", nodeAddress(properties))}
}
