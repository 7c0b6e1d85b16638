package router

import (
	"sync"
	"testing"

	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/router/forwarding"
)

// TestTheLastNoteOfAMessageMayBeDroppedWhileItsOriginEnds: the consumer's connection takes a note about a message whose
// branch is over, when the connection that the message came from is gone and about to abort it. Whichever comes first,
// the content is released once. The race detector tells what it would do to the content.
func TestTheLastNoteOfAMessageMayBeDroppedWhileItsOriginEnds(t *testing.T) {
	t.Parallel()
	origin := &forwarding.Endpoint{}
	origin.Near.Gone.Store(true)
	chunk := buf.NewChunk(buf.SmallChunk)
	for range 100 {
		d := origin.NewDelivery()
		d.Content.Append(buf.Slice{B: chunk.B[:1], C: chunk})
		d.Refs.Add(1) // the note's
		var both sync.WaitGroup
		both.Go(func() { d.Drop(false) })
		both.Go(func() {
			d.Content.Abort()
			origin.Abandon(d)
		})
		both.Wait()
		if !chunk.Exclusive() {
			t.Fatal("the content is not released")
		}
	}
	chunk.Release()
}
