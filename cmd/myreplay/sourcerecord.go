package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"myreplay/capfile"
	"myreplay/probe"
	"myreplay/schema"
	"myreplay/sqltext"
)

// schemaFile lies beside a capture's segments: the schema of the server that was
// recorded.
const schemaFile = "schema.json"

// sourceRecord is what a recording takes from its source besides the wire; nil:
// nothing.
type sourceRecord struct {
	args   *sourceArgs
	server *probe.Server
	schema *schema.Schema
	asked  *askedSource
}

// begin connects to the source, and asks for what takes time: its schema. It
// comes before sessions are looked at.
func (a *sourceArgs) begin(ctx context.Context, c *cobra.Command) (*sourceRecord, error) {
	if a.url == "" {
		return nil, nil
	}
	server, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	r := &sourceRecord{args: a, server: server}
	if r.schema, err = server.Schema(ctx, nil); err != nil {
		return nil, errors.Join(fmt.Errorf("--source: %w", err), server.Close())
	}
	withoutSecrets(r.schema)
	for _, what := range r.schema.Unknown {
		fmt.Fprintln(c.ErrOrStderr(), "source: not told of the schema:", what)
	}
	return r, nil
}

// sessions asks for the sessions and the position, when sessions are looked at
// already: what a session does after the answer is seen. What is not told of
// sessions is said to errs.
func (r *sourceRecord) sessions(ctx context.Context, errs io.Writer, d *capfile.Source, several bool) (err error) {
	if r == nil {
		return nil
	}
	if r.asked, err = r.args.sessions(ctx, errs, r.server, several); err != nil {
		return err
	}
	d.GTID, d.ServerUUID = r.asked.sessions.GTID(), r.asked.sessions.UUID()
	return nil
}

// close ends the connection.
func (r *sourceRecord) close() {
	if r != nil {
		r.server.Close()
	}
}

// write puts the schema beside the segments of a capture that has begun.
func (r *sourceRecord) write(dir string) (err error) {
	if r == nil {
		return nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("writing the schema: %w", err)
	}
	defer root.Close()
	// What is there is of a capture whose segments were deleted.
	if err := root.Remove(schemaFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("writing the schema: %w", err)
	}
	f, err := root.OpenFile(schemaFile, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("writing the schema: %w", err)
	}
	if err := errors.Join(r.schema.Write(f), f.Close()); err != nil {
		return fmt.Errorf("writing the schema: %w", err)
	}
	return nil
}

// recordedSchema returns the schema that was recorded with a capture (its
// directory, or one segment of it); nil when there is none.
func recordedSchema(capture string) (*schema.Schema, error) {
	if filepath.Ext(capture) == ".myr" {
		capture = filepath.Dir(capture)
	}
	if info, err := os.Stat(capture); err != nil || !info.IsDir() {
		return nil, nil // a packet file, or nothing, of which others will complain
	}
	s, err := readSchema(filepath.Join(capture, schemaFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return s, err
}

// readSchema reads a schema from a file.
func readSchema(path string) (*schema.Schema, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s, err := schema.Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// withoutSecrets leaves out the texts of programs that have a secret.
func withoutSecrets(s *schema.Schema) {
	left := uint64(0)
	clean := func(text string) string {
		if _, found := sqltext.Mask(nil, []byte(text), sqltext.Options{Guessed: true}); found.Any() {
			left++
			return ""
		}
		return text
	}
	for i := range s.Tables {
		t := &s.Tables[i]
		t.Definition = clean(t.Definition)
		for j := range t.Triggers {
			t.Triggers[j].Body = clean(t.Triggers[j].Body)
		}
	}
	for i := range s.Routines {
		s.Routines[i].Body = clean(s.Routines[i].Body)
	}
	if left > 0 {
		s.Unknown = append(s.Unknown, count(left, "text")+" of views, triggers or routines with a secret")
	}
}
