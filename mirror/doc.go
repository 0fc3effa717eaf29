// Package mirror replays sessions as they happen and compares the answers as
// they come. It is told events, by a recorder on the same machine or by a feed
// from another, and never holds up who tells it.
package mirror
