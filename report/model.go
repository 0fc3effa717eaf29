package report

import "myreplay/compare"

// SchemaVersion is the version of the JSON form of a Report. It changes when a
// field changes its meaning or goes; fields may be added without a change.
const SchemaVersion = 1

// Report is a finished report. Its JSON form is stable: durations are integers
// in microseconds ("_us"), times are RFC 3339 in UTC, texts are valid UTF-8 in
// which bytes that are none stand as \xNN.
type Report struct {
	Schema int `json:"schema_version"`
	// Sides is "capture_and_run", "two_runs" or "capture".
	Sides   string  `json:"sides"`
	Verdict Verdict `json:"verdict"`
	Account Account `json:"account"`
	// Recorded and Replayed describe the two sides; with Sides "capture" there
	// is no Replayed.
	Recorded *Side `json:"recorded"`
	Replayed *Side `json:"replayed,omitempty"`
	// Lag tells how late a replay's sends were.
	Lag *Lag `json:"lag,omitempty"`
	// Differences has a line for each class and cause, those that count first,
	// then by number.
	Differences []DifferenceTotal `json:"differences"`
	// Causes counts the commands that differ, whether that counts or not, each for
	// one cause; Chains tell what follows from what, nil when nothing does.
	Causes []Count `json:"causes"`
	Chains *Chains `json:"chains,omitempty"`
	// Order tells of the order between sessions, nil when the run says nothing of
	// one.
	Order *Order `json:"order,omitempty"`
	Speed Speed  `json:"speed"`
	// Unknown says, in plain words, what the report cannot know.
	Unknown []Remark `json:"unknown"`
	// Classes are the query classes by response time, the longest first. Folded
	// says that not every text has its own: the rest is in the class "other".
	Classes []Class `json:"classes"`
	Folded  bool    `json:"folded"`
}

// The verdicts.
const (
	Same         = "same"
	Differs      = "differs"
	Incomparable = "incomparable"
	// Profile: there is only one side.
	Profile = "profile"
)

// Verdict is the answer to "is it the same?".
type Verdict struct {
	// Result is Same, Differs, Incomparable or Profile.
	Result string `json:"result"`
	// Reason says why, in a sentence.
	Reason string `json:"reason"`
	// Compared are the commands whose replies were compared to their end or
	// found to differ; Different are those with a difference that counts,
	// DifferentClasses the query classes that they belong to.
	Compared         uint64 `json:"compared"`
	Different        uint64 `json:"different"`
	DifferentClasses int    `json:"different_classes"`
	// LeftOut are commands that write, or may, and that the replay left out (of two
	// runs: one did and the other not). Excused are compared commands that differ
	// only in what may follow from that, and do not count.
	LeftOut uint64 `json:"writes_left_out,omitempty"`
	Excused uint64 `json:"missing_state,omitempty"`
}

// Account tells what became of each recorded command. It must close.
type Account struct {
	KindAccount
	// Copies is how many times each recorded session was replayed.
	Copies int `json:"copies"`
	// Missing are recorded commands that the run does not mention; Extra are
	// commands in the run that the recording does not have.
	Missing uint64 `json:"missing"`
	Extra   uint64 `json:"extra"`
	// Closes: recorded = sent + skipped + failed to send + not reached + under
	// way, for every kind, with none missing and none extra.
	Closes bool `json:"closes"`
	// Kinds has the same for each kind of command.
	Kinds []KindAccount `json:"kinds"`
	// Compared, NoReply, NotCompared and AsRecorded divide the recorded commands that
	// are not under way once more: compared, of a kind that gets no reply, not
	// compared, and failed of locks as they did when recorded (they are Skipped,
	// too).
	Compared uint64 `json:"compared"`
	NoReply  uint64 `json:"without_reply"`
	// NotCompared counts by reason.
	NotCompared []Count    `json:"not_compared"`
	AsRecorded  AsRecorded `json:"as_recorded"`
}

// KindAccount is the account of one kind of command, or of all.
type KindAccount struct {
	// Kind is session.Kind's name, or "all".
	Kind         string  `json:"kind"`
	Recorded     uint64  `json:"recorded"`
	Sent         uint64  `json:"sent"`
	Skipped      []Count `json:"skipped,omitempty"`
	FailedToSend uint64  `json:"failed_to_send"`
	NotReached   uint64  `json:"not_reached"`
	// UnderWay are recorded commands of which the run or a reply was still to come
	// when a snapshot was taken. A finished report has none.
	UnderWay uint64 `json:"under_way,omitempty"`
}

// SkippedTotal returns the sum of Skipped.
func (k *KindAccount) SkippedTotal() uint64 { return sum(k.Skipped) }

// Count is a number of things of one name.
type Count struct {
	Name  string `json:"name"`
	Count uint64 `json:"count"`
}

func sum(list []Count) (n uint64) {
	for _, c := range list {
		n += c.Count
	}
	return n
}

// Side describes one of the two sides.
type Side struct {
	// Name is what the caller calls it.
	Name string `json:"name"`
	// Servers are the versions that the servers named.
	Servers []Count `json:"servers"`
	From    string  `json:"from"`
	To      string  `json:"to"`
	Wall    int64   `json:"wall_us"`
	// Sessions counts sessions; the next four count those among them that were
	// joined in mid-life, use TLS that was not read, were refused, and ended
	// otherwise than by the client.
	Sessions  uint64  `json:"sessions"`
	Joined    uint64  `json:"joined_sessions"`
	Encrypted uint64  `json:"encrypted_sessions"`
	Refused   uint64  `json:"refused_sessions"`
	Ends      []Count `json:"ends"`
	// Commands counts those seen (recorded) or sent (replayed), Replies what
	// was answered.
	Commands uint64 `json:"commands"`
	Replies  uint64 `json:"replies"`
	Errors   uint64 `json:"errors"`
	Rows     uint64 `json:"rows"`
	// Bytes counts the bytes of the replies.
	Bytes uint64 `json:"reply_bytes"`
	// CommandsPerSecond is Commands by Wall. Concurrency is the time spent in
	// commands by Wall: how many were under way at once, on average.
	CommandsPerSecond float64 `json:"commands_per_s"`
	Concurrency       float64 `json:"concurrency"`
	// Took is from the first byte of the command to the last of the reply,
	// FirstByte to the first of the reply.
	Took      Times   `json:"took"`
	FirstByte Moments `json:"first_byte"`
	// Gaps counts by reason what was not seen, LostBytes and LostPackets sum up
	// how much, as far as it is known.
	Gaps        []Count `json:"gaps"`
	LostBytes   uint64  `json:"lost_bytes"`
	LostPackets uint64  `json:"lost_packets"`
	Masked      uint64  `json:"masked_commands"`
	Cut         uint64  `json:"cut_commands"`
}

// Lag tells how long after they were due a replay's commands were sent, without
// what they were held back for those of other sessions (Order.Waited).
type Lag struct {
	Times
	// OnTime is the share of sends at most 5 ms from when they were due.
	OnTime float64 `json:"on_time"`
}

// DifferenceTotal sums up one class and cause of differences.
type DifferenceTotal struct {
	Class string `json:"class"`
	Cause string `json:"cause"`
	// Commands have the difference, Counted of them count.
	Commands uint64 `json:"commands"`
	Counted  uint64 `json:"counted"`
	// Classes is how many query classes they belong to, Most the one with most.
	Classes int    `json:"query_classes"`
	Most    string `json:"most_in"`
	key     tallyKey
}

// Speed sums up how the classes' times changed.
type Speed struct {
	Slower int `json:"slower"`
	Faster int `json:"faster"`
	Same   int `json:"same"`
	TooFew int `json:"too_few"`
	// Pairs are the commands whose times were compared, Ratio how many times
	// as long a typical one of them took in the replay.
	Pairs uint64  `json:"pairs"`
	Ratio float64 `json:"ratio"`
	// Failing are the slower classes at or over the ratio that the options
	// name; they make the verdict Differs.
	Failing int `json:"failing"`
}

// Remark says something that the report cannot know.
type Remark struct {
	// Code names the remark in one word with underscores.
	Code  string `json:"code"`
	Count uint64 `json:"count"`
	Text  string `json:"text"`
}

// The verdicts on a class's speed.
const (
	Slower  = "slower"
	Faster  = "faster"
	Steady  = "same"
	TooFew  = "too few"
	NoSpeed = ""
)

// Class is a query class: all commands with one fingerprint.
type Class struct {
	Rank int `json:"rank"`
	// ID is "0x" and the 16 hex digits of the fingerprint's hash, or "other".
	ID string `json:"id"`
	// Kind is "query" for texts and executions of prepared statements, else the
	// kind of command.
	Kind string `json:"kind"`
	// Item is the class in a few words, as in a profile.
	Item        string   `json:"item"`
	Fingerprint string   `json:"fingerprint"`
	Tables      []string `json:"tables,omitempty"`
	Users       []Count  `json:"users,omitempty"`
	Schemas     []Count  `json:"schemas,omitempty"`
	From        string   `json:"from"`
	To          string   `json:"to"`
	Recorded    Stats    `json:"recorded"`
	Replayed    *Stats   `json:"replayed,omitempty"`
	// Speed is Slower, Faster, Steady or TooFew (NoSpeed without a replay):
	// what the pairs of recorded and replayed times say.
	Speed string `json:"speed,omitempty"`
	// Pairs, Ratio and P are the number of pairs, how many times as long a
	// typical command took in the replay, and the chance of such pairs if
	// nothing had changed.
	Pairs uint64  `json:"pairs"`
	Ratio float64 `json:"ratio"`
	P     float64 `json:"p"`
	// Compared, Different and NotCompared are as in Verdict and Account.
	Compared    uint64            `json:"compared"`
	Different   uint64            `json:"different"`
	NotCompared []Count           `json:"not_compared,omitempty"`
	AsRecorded  uint64            `json:"as_recorded,omitempty"`
	Differences []ClassDifference `json:"differences,omitempty"`
	// Sample is the command that took longest in the replay, or in the
	// recording when there is none.
	Sample *Example `json:"sample,omitempty"`
	// Explain: its statements can be explained (EXPLAIN).
	Explain bool `json:"explain,omitempty"`
	tables  []table
}

// Stats are one side's figures of a class.
type Stats struct {
	Commands  uint64  `json:"commands"`
	Replies   uint64  `json:"replies"`
	Errors    uint64  `json:"errors"`
	Rows      uint64  `json:"rows"`
	Bytes     uint64  `json:"reply_bytes"`
	Took      Times   `json:"took"`
	FirstByte Moments `json:"first_byte"`
}

// ClassDifference is one class and cause of differences within a query class.
type ClassDifference struct {
	Class    string    `json:"class"`
	Cause    string    `json:"cause"`
	Commands uint64    `json:"commands"`
	Counted  uint64    `json:"counted"`
	Examples []Example `json:"examples"`
	key      tallyKey
}

// Example is one command and what the two sides answered.
type Example struct {
	// Session and Seq name it in the recording, Copy the copy of the session.
	Session uint64 `json:"session"`
	Copy    uint32 `json:"copy"`
	Seq     uint64 `json:"seq"`
	At      string `json:"at"`
	// Command is the kind of command, as session.Kind names it.
	Command string `json:"command"`
	User    string `json:"user,omitempty"`
	Schema  string `json:"schema,omitempty"`
	// SQL is the text, as it was recorded: secrets in it are masked. Bytes
	// is the text's length; Cut tells that only its first bytes are here.
	SQL    string `json:"sql"`
	Bytes  int    `json:"sql_bytes"`
	Cut    bool   `json:"cut,omitempty"`
	Masked bool   `json:"masked,omitempty"`
	// Params are the parameters of an execution, as the caller wrote them.
	Params string `json:"params,omitempty"`
	// Recorded and Replayed say what each side answered, with the times taken.
	Recorded     string   `json:"recorded,omitempty"`
	Replayed     string   `json:"replayed,omitempty"`
	RecordedTook int64    `json:"recorded_us"`
	ReplayedTook int64    `json:"replayed_us"`
	Evidence     []string `json:"evidence,omitempty"`
	// Prepared: the text is that of a prepared statement, with placeholders.
	Prepared bool `json:"prepared,omitempty"`
	// RecordedMissing and ReplayedMissing: the side has the command, but no answer
	// to it.
	RecordedMissing bool `json:"recorded_missing,omitempty"`
	ReplayedMissing bool `json:"replayed_missing,omitempty"`
}

// tallyKey is a class and cause of differences.
type tallyKey struct {
	class compare.Class
	cause compare.Cause
}
