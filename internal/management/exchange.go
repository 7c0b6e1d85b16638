package management

import "github.com/postroad/postroad/internal/config"

// Exchange is the row of the entity router.config.exchange: one topic exchange.
type Exchange struct {
	ID               uint64 // unique among exchanges
	Name             string
	Address          string
	Phase            int32
	AlternateAddress string // empty = none
	AlternatePhase   int32
	MatchMethod      string // amqp or mqtt
	BindingCount     uint32

	// Deliveries since the exchange was made.
	Received  uint64
	Dropped   uint64 // nobody could be given them
	Forwarded uint64 // to next hops or to the alternate address
	Diverted  uint64 // those of them that went to the alternate address
}

// exchangeColumns lists the attributes of router.config.exchange, in the order and with the types of Interconnect's
// src/router_core/exchange_bindings.c, which knows no type.
var exchangeColumns = []column[Exchange]{
	text("name", func(x *Exchange) string { return x.Name }),
	text("identity", func(x *Exchange) string { return decimal(x.ID) }),
	text("address", func(x *Exchange) string { return x.Address }),
	signed("phase", func(x *Exchange) int32 { return x.Phase }),
	text("alternateAddress", func(x *Exchange) string { return x.AlternateAddress }),
	optional(signed("alternatePhase", func(x *Exchange) int32 { return x.AlternatePhase }),
		func(x *Exchange) bool { return x.AlternateAddress != "" }),
	text("matchMethod", func(x *Exchange) string { return x.MatchMethod }),
	unsigned("bindingCount", func(x *Exchange) uint32 { return x.BindingCount }),
	ulong("receivedCount", func(x *Exchange) uint64 { return x.Received }),
	ulong("droppedCount", func(x *Exchange) uint64 { return x.Dropped }),
	ulong("forwardedCount", func(x *Exchange) uint64 { return x.Forwarded }),
	ulong("divertedCount", func(x *Exchange) uint64 { return x.Diverted }),
	text("type", func(*Exchange) string { return config.TypePrefix + typeExchange }),
}

// Binding is the row of the entity router.config.binding: where an exchange forwards messages with a subject.
type Binding struct {
	ID             uint64 // unique among bindings
	Name           string // empty = none
	ExchangeName   string
	BindingKey     string
	NextHopAddress string
	NextHopPhase   int32
	Matched        uint64 // deliveries whose subject matched
}

// bindingColumns lists the attributes of router.config.binding as exchangeColumns does.
var bindingColumns = []column[Binding]{
	text("name", func(b *Binding) string { return b.Name }),
	text("identity", func(b *Binding) string { return decimal(b.ID) }),
	text("exchangeName", func(b *Binding) string { return b.ExchangeName }),
	text("bindingKey", func(b *Binding) string { return b.BindingKey }),
	text("nextHopAddress", func(b *Binding) string { return b.NextHopAddress }),
	signed("nextHopPhase", func(b *Binding) int32 { return b.NextHopPhase }),
	ulong("matchedCount", func(b *Binding) uint64 { return b.Matched }),
	text("type", func(*Binding) string { return config.TypePrefix + typeBinding }),
}
