package attack

import (
	"testing"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// TestMulticastBranchesAreCounted shows that messages which wait for 5,000 receivers cost their sender its credit.
func TestMulticastBranchesAreCounted(t *testing.T) { withstand(t, Multicast(1, false, false, "")) }

// TestMulticastBranchesDoNotOverload shows that a router with little memory refuses nobody for them.
func TestMulticastBranchesDoNotOverload(t *testing.T) {
	withstand(t, Multicast(1, false, false, memoryLimit))
}

// TestMulticastBranchesOfTwoSendersAreCounted shows that two senders get no more than the router can bear.
func TestMulticastBranchesOfTwoSendersAreCounted(t *testing.T) {
	withstand(t, Multicast(2, false, false, ""))
}

// TestSettledMulticastBranchesAreCounted shows that branches of settled messages are held in bounds.
func TestSettledMulticastBranchesAreCounted(t *testing.T) {
	withstand(t, Multicast(1, true, false, ""))
}

// TestSettledMulticastBranchesOutliveTheirSender shows that they are held in bounds when their senders come and go.
func TestSettledMulticastBranchesOutliveTheirSender(t *testing.T) {
	withstand(t, Multicast(2, true, true, ""))
}

// TestMulticastBranchesEndWithTheirSender shows that unsettled branches of senders which come and go do not add up.
func TestMulticastBranchesEndWithTheirSender(t *testing.T) {
	withstand(t, Multicast(2, false, true, memoryLimit))
}

// TestRepliesWithoutCreditAreBounded shows that requests wait when their answers wait for many receivers.
func TestRepliesWithoutCreditAreBounded(t *testing.T) { withstand(t, RepliesToMany()) }

// TestRepliesWithoutCreditDoNotOverload shows that a router with little memory refuses nobody for them.
func TestRepliesWithoutCreditDoNotOverload(t *testing.T) { withstand(t, limited(RepliesToMany())) }

// TestPipelinedRequestsAreBounded shows that requests wait when their answers wait for one receiver.
func TestPipelinedRequestsAreBounded(t *testing.T) { withstand(t, RepliesToOne()) }

// TestUnreadRepliesAreBounded shows that requests wait when their answers go to a connection that is not read.
func TestUnreadRepliesAreBounded(t *testing.T) { withstand(t, RepliesUnread()) }

// TestUnreadRepliesToSelfAreBounded shows that one who reads no answers is asked for no more requests.
func TestUnreadRepliesToSelfAreBounded(t *testing.T) { withstand(t, RepliesToSelf()) }

// TestSettledMessagesOutliveTheirSender shows that what senders leave behind for a silent consumer is held in bounds.
func TestSettledMessagesOutliveTheirSender(t *testing.T) { withstand(t, Leavers(false, "")) }

// TestSettledMessagesWithoutCreditAreBounded shows the same for a consumer that gives no credit.
func TestSettledMessagesWithoutCreditAreBounded(t *testing.T) {
	withstand(t, Leavers(true, memoryLimit))
}

// TestCloseBehindMessagesIsSeen shows that a client which sends to itself is read to its close.
func TestCloseBehindMessagesIsSeen(t *testing.T) { withstand(t, CloseBehind("")) }

// TestCreditBehindMessagesIsSeen shows that the credit which would free the memory is read.
func TestCreditBehindMessagesIsSeen(t *testing.T) { withstand(t, CreditBehind(memoryLimit)) }

// TestFourOctetsOfAFrameTakeNoMemory shows that memory follows the octets that came, and not those announced.
func TestFourOctetsOfAFrameTakeNoMemory(t *testing.T) { withstand(t, Partial(largeFrame, "")) }

// TestFourOctetsOfAFrameDoNotOverload shows that they make a router with little memory refuse nobody.
func TestFourOctetsOfAFrameDoNotOverload(t *testing.T) {
	withstand(t, Partial(largeFrame, memoryLimit))
}

// TestThreeOctetsOfAFrameTakeNoMemory shows that a size which is not complete takes no memory either.
func TestThreeOctetsOfAFrameTakeNoMemory(t *testing.T) {
	withstand(t, Partial(largeFrame[:3], memoryLimit))
}

// TestAnOctetNowAndThenTakesNoMemory shows that a frame which grows slowly takes what has come of it.
func TestAnOctetNowAndThenTakesNoMemory(t *testing.T) { withstand(t, PartialDrip(memoryLimit)) }

// TestPartialSASLTakesNoMemory shows that frames of a handshake which do not end take no memory.
func TestPartialSASLTakesNoMemory(t *testing.T) {
	withstand(t, PartialHandshake("part of a SASL frame", wire.HeaderSASL, saslFrame, memoryLimit))
}

// TestPartialOpenTakesNoMemory shows that an open which does not end takes no memory.
func TestPartialOpenTakesNoMemory(t *testing.T) {
	withstand(t, PartialHandshake("part of an open", wire.HeaderAMQP, "\x00\x00\x40\x00", memoryLimit))
}

// TestPartialFramesDoNotKeepTheRouterUp shows that a router ends in time beside clients that end no frame.
func TestPartialFramesDoNotKeepTheRouterUp(t *testing.T) {
	withstand(t, underFire(Partial(largeFrame, memoryLimit)))
}
