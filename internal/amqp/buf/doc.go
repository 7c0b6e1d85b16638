// Package buf holds counted read buffers and the content of one message while it passes through a router.
//
// A connection's reader fills a [Chunk]; frames are parsed in place, and the payload of a transfer stays where it was
// read. Whoever needs the octets after the reader has moved on retains the chunk and releases it when done; the last
// release gives the chunk back to its pool. No payload octet is copied on the way, except small ones that are cheaper
// to copy than to list in a vectored write.
//
// A [Content] is the payload of one message: one writer (the incoming reader) appends [Slice]s, any number of readers
// (one for each outgoing branch) consume them behind it, each at its own pace. A slice is released when the slowest
// reader has passed it.
//
// Nothing here starts a goroutine. A Chunk's count is atomic; a Content is guarded by its own leaf mutex.
package buf
