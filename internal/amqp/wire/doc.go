// Package wire is the codec of AMQP 1.0: frames, primitive and compound types, the nine performatives, the SASL ones,
// termini, delivery states and errors. Each file is named after the noun of the specification it encodes.
//
// The package does no I/O, starts no goroutine and reads no clock. Its functions are pure; values it returns are owned
// by the caller. Decoders of Flow, Transfer and Disposition, and all Read functions, return slices that reference the
// input and allocate nothing; every other decoder copies what it keeps.
//
// Decoders take hostile input. They never panic, nest at most [MaxDepth] levels deep and check every declared size and
// count against the octets that are really there before they reserve memory, of which they take at most eight times
// the input and 4 KiB. They are strict about what is encoded (sizes, counts, UTF-8, field types, mandatory fields) and
// lenient about what the specification leaves open: any encoding width of a type, descriptors as ulong or symbol, null
// or absent fields for their defaults. Failures are [*DecodeError] values that name the field and the offset.
//
// Encoders choose the smallest encoding and omit trailing fields that hold their defaults. Paragraphs of the
// specification are cited as [part.section], for example [2.7.5] for transfer.
package wire
