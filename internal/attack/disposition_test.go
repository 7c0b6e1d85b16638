package attack

import "testing"

// TestRepeatedStateOfARangeIsNoWork shows that a range which changes nothing costs no neighbor and no end in time.
func TestRepeatedStateOfARangeIsNoWork(t *testing.T) {
	withstand(t, Ranges(ofSameState, true))
}

// TestChangingStateOfARangeIsDoneInTurns shows that a range which changes 100,000 deliveries stops nobody else.
func TestChangingStateOfARangeIsDoneInTurns(t *testing.T) { withstand(t, Ranges(ofStates, true)) }

// TestRepeatedOutcomeOfARangeIsNoWork shows that the same unsettled outcome again and again keeps nobody waiting.
func TestRepeatedOutcomeOfARangeIsNoWork(t *testing.T) { withstand(t, Ranges(ofOutcomes, false)) }

// TestChangingOutcomeOfARangeIsDoneInTurns shows that another unsettled outcome each time stops nobody else.
func TestChangingOutcomeOfARangeIsDoneInTurns(t *testing.T) { withstand(t, Ranges(ofOther, false)) }

// TestAlternatingRangesAreDoneInTurns shows that two ranges in turn stop nobody else.
func TestAlternatingRangesAreDoneInTurns(t *testing.T) { withstand(t, Ranges(ofHalves, false)) }

// TestRangesOfNothingAreNoWork shows that a range of a billion deliveries which are not there is no work.
func TestRangesOfNothingAreNoWork(t *testing.T) { withstand(t, Ranges(ofNothing, false)) }

// TestRangesOfEverythingAreDoneInTurns shows that ranges over all numbers stop nobody else.
func TestRangesOfEverythingAreDoneInTurns(t *testing.T) { withstand(t, Ranges(ofEverything, false)) }

// TestRangesOfSendersAreDoneInTurns shows that ranges in the role of the sender stop nobody else.
func TestRangesOfSendersAreDoneInTurns(t *testing.T) { withstand(t, Ranges(ofSenders, true)) }
