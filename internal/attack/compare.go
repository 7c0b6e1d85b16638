package attack

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// compareTime is how long the innocent client is measured.
const compareTime = 3 * time.Second

// Comparison says what the innocent client of a router feels when that router is attacked, and when another one on the
// same machine is. Both take the same of the machine.
type Comparison struct {
	Name            string
	Control, Attack felt
}

// Ratio is how much longer the slowest round trips take than in the control.
func (c *Comparison) Ratio() float64 { return float64(c.Attack.P99) / float64(max(c.Control.P99, 1)) }

// Compare makes attacks in rounds. In each the attack is made twice, first on another router than that of the innocent
// client. The attack is made anew for each time.
func Compare(ctx context.Context, a Attack, rounds int) (*Comparison, error) {
	c := &Comparison{Name: a.Name}
	for range rounds {
		control, err := a.beside(ctx, 1)
		if err != nil {
			return nil, fmt.Errorf("%s: control: %w", a.Name, err)
		}
		attacked, err := a.beside(ctx, 0)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", a.Name, err)
		}
		c.Control, c.Attack = c.Control.and(control), c.Attack.and(attacked)
	}
	return c, nil
}

// beside starts two routers with an innocent client at the first, attacks one of them, and says what the client felt.
func (a Attack) beside(ctx context.Context, attacked int) (felt, error) {
	p := plan{id: "A", limit: a.Limit, addresses: a.Addresses, lean: a.Lean}
	other := p
	other.id = "B"
	n, routers, err := start(p, other)
	if err != nil {
		return felt{}, err
	}
	defer n.Close()
	i, err := newInnocent(routers[0].Clients)
	if err != nil {
		return felt{}, err
	}
	defer i.vanish()
	s := &Scene{router: routers[attacked]}
	defer s.leave()
	if a.Prepare != nil {
		if err := a.Prepare(s); err != nil {
			return felt{}, err
		}
	}
	select {
	case <-i.warm:
	case <-time.After(patience):
		return felt{}, errors.New("the innocent client does not get on")
	}
	striking, cancel := context.WithTimeout(ctx, compareTime)
	defer cancel()
	var watching sync.WaitGroup
	base := s.router.resident()
	watching.Go(func() { s.watchSize(striking, base, cancel) })
	i.forget()
	a.Strike(striking, s)
	rest(striking)
	watching.Wait()
	return i.report(), ctx.Err()
}
