package attack

import "testing"

// TestEndOfASessionIsDoneInTurns shows that the end of 60,000 links with an address each stops nobody else.
func TestEndOfASessionIsDoneInTurns(t *testing.T) { withstand(t, ManyLinks(LinksEnd, "many.")) }

// TestEndOfASessionOnOneAddressIsDoneInTurns shows the same for 60,000 links of one address.
func TestEndOfASessionOnOneAddressIsDoneInTurns(t *testing.T) {
	withstand(t, ManyLinks(LinksEnd, "many"))
}

// TestLossOfManyLinksIsDoneInTurns shows that the loss of a connection with 60,000 links stops nobody else.
func TestLossOfManyLinksIsDoneInTurns(t *testing.T) { withstand(t, ManyLinks(LinksVanish, "many.")) }

// TestDetachesOfManyLinksAreDoneInTurns shows that 60,000 detaches of one address stop nobody else.
func TestDetachesOfManyLinksAreDoneInTurns(t *testing.T) {
	withstand(t, ManyLinks(LinksDetach, "many"))
}

// TestChoiceAmongManyConsumersIsCheap shows that a message costs about the same for 5 consumers and for 10,000.
func TestChoiceAmongManyConsumersIsCheap(t *testing.T) { withstand(t, Consumers()) }
