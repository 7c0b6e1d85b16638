package attack

import "testing"

// TestUnreadBeginsAreNotKept shows that a client which reads no answers to its begins is not read after some of them.
func TestUnreadBeginsAreNotKept(t *testing.T) { withstand(t, UnreadBegins()) }

// TestUnreadBeginsDoNotOverload shows that they bring a router with little memory to no refusal of others.
func TestUnreadBeginsDoNotOverload(t *testing.T) { withstand(t, limited(UnreadBegins())) }

// TestUnreadBeginsDoNotKeepTheRouterUp shows that a router ends in time beside a client which reads no answers.
func TestUnreadBeginsDoNotKeepTheRouterUp(t *testing.T) { withstand(t, underFire(UnreadBegins())) }

// TestUnreadSessionErrorsAreNotKept shows that the ends of faulty sessions wait in bounds for a client to read them.
func TestUnreadSessionErrorsAreNotKept(t *testing.T) { withstand(t, UnreadSessionErrors()) }

// TestUnreadRejectionsAreNotKept shows that the outcomes of malformed messages wait in bounds for their sender.
func TestUnreadRejectionsAreNotKept(t *testing.T) { withstand(t, UnreadRejections()) }

// TestUnreadRefusalsAreNotKept shows that refused attaches wait in bounds for a client to read them.
func TestUnreadRefusalsAreNotKept(t *testing.T) { withstand(t, UnreadRefusals()) }

// TestUnreadAttachesAreNotKept shows that the answers to attaches and detaches wait in bounds.
func TestUnreadAttachesAreNotKept(t *testing.T) { withstand(t, UnreadAttaches()) }

// TestUnreadDynamicAddressesAreNotKept shows that the same holds for links whose address the router makes.
func TestUnreadDynamicAddressesAreNotKept(t *testing.T) { withstand(t, UnreadDynamic()) }

// TestUnreadSessionEchoesAreNotKept shows that echoes of a session's state wait in bounds.
func TestUnreadSessionEchoesAreNotKept(t *testing.T) { withstand(t, UnreadSessionEchoes()) }

// TestUnreadLinkEchoesAreNotKept shows that echoes of the states of many links wait in bounds.
func TestUnreadLinkEchoesAreNotKept(t *testing.T) { withstand(t, UnreadLinkEchoes()) }

// TestUnreadDrainsAreNotKept shows that the answers to drains wait in bounds.
func TestUnreadDrainsAreNotKept(t *testing.T) { withstand(t, UnreadDrains()) }

// TestUnreadOutcomesAreNotKept shows that outcomes which cannot be said together wait in bounds for their sender.
func TestUnreadOutcomesAreNotKept(t *testing.T) { withstand(t, UnreadOutcomes()) }

// TestUnreadReasonsAreNotKept shows that outcomes with long reasons wait in bounds for their sender.
func TestUnreadReasonsAreNotKept(t *testing.T) { withstand(t, UnreadReasons()) }

// TestSlowReaderIsNotKept shows that a client which reads an octet a second has no more answers waiting.
func TestSlowReaderIsNotKept(t *testing.T) { withstand(t, SlowReader()) }

// TestManySilentClientsStayInBounds shows that a hundred clients that do not read leave the router in its bounds.
func TestManySilentClientsStayInBounds(t *testing.T) { withstand(t, ManySilent()) }
