package attack

// memoryLimit is the limit of the routers that have little memory.
const memoryLimit = "256MiB"

// All returns the attacks of which an innocent client should feel nothing, each in one variant.
func All() []Attack {
	all := []Attack{
		UnreadBegins(), UnreadSessionErrors(), UnreadRejections(), UnreadRefusals(), UnreadAttaches(), UnreadDynamic(),
		UnreadSessionEchoes(), UnreadLinkEchoes(), UnreadDrains(), UnreadOutcomes(), UnreadReasons(), SlowReader(),
		ManySilent(),
	}
	kinds := []string{ofSameState, ofStates, ofOutcomes, ofOther, ofHalves, ofNothing, ofEverything, ofSenders}
	for _, kind := range kinds {
		all = append(all, Ranges(kind, false))
	}
	return append(all,
		Multicast(1, false, false, ""), Multicast(2, false, false, ""), Multicast(1, true, false, ""),
		Multicast(2, true, true, ""), RepliesToMany(), RepliesToOne(), RepliesUnread(), RepliesToSelf(),
		Partial(largeFrame, memoryLimit), PartialDrip(memoryLimit), ManyLinks(LinksEnd, "many."),
		ManyLinks(LinksVanish, "many."), ManyLinks(LinksDetach, "many"), Consumers(), CloseBehind(""),
		Leavers(false, ""))
}
