package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"myreplay/binlog"
)

// binlogSlack is how far beyond the recording commits of binary logs are kept.
const binlogSlack = int64(time.Second)

// commits reads the source's binary logs, as far as they are of the time of a
// capture; nil when none were given.
func (a *orderArgs) commits(about *described) (*binlog.Index, error) {
	switch {
	case len(a.binlogs) == 0:
		return nil, nil
	case about.meta.Of == "":
		return nil, errors.New("--binlog goes with a capture: myreplay capture -r FILE -o DIR makes one of packet files")
	case about.why != nil:
		return nil, about.why
	}
	t := &about.totals
	x := &binlog.Index{From: t.First - binlogSlack, To: t.Last + binlogSlack}
	for _, path := range a.binlogs {
		if err := readBinlog(x, path); err != nil {
			return nil, fmt.Errorf("--binlog %s: %w", path, err)
		}
	}
	if x.Len() == 0 && t.CommandCount() > 0 {
		const layout = "2006-01-02T15:04:05Z"
		return nil, fmt.Errorf("--binlog: no commit between %s and %s, the time of the recording: are these the files of that time, and of that server, and do the clocks agree?",
			time.Unix(0, t.First).UTC().Format(layout), time.Unix(0, t.Last).UTC().Format(layout))
	}
	return x, nil
}

func readBinlog(x *binlog.Index, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return x.Read(f)
}
