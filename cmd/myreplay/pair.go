package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"myreplay/feed"
)

// Where the keys are looked for when no file is named.
const (
	mirrorKeys = "/etc/myreplay/mirror.key"
	assistKeys = "/etc/myreplay/assist.key"
)

func pairCommand() *cobra.Command {
	dir := "."
	c := &cobra.Command{
		Use:   "pair [DIR]",
		Short: "Make the keys that let a mirror and its assistant know each other",
		Long: `Write two files, assist.key and mirror.key: each holds a private key and the other
side's certificate. Carry assist.key to the assistant and mirror.key to each online
server, as secretly as a password; /etc/myreplay is where they are looked for. The
two sides talk to nobody else.`,
		Example: `  myreplay pair keys
  scp keys/mirror.key online:/etc/myreplay/mirror.key`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				dir = args[0]
			}
			return makePair(c, dir)
		},
	}
	return c
}

func makePair(c *cobra.Command, dir string) error {
	assistant, mirror, err := feed.NewPair()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	files := []struct {
		name  string
		bytes []byte
	}{{"assist.key", assistant}, {"mirror.key", mirror}}
	for _, f := range files {
		path := filepath.Join(dir, f.name)
		if err := writeNew(path, f.bytes); err != nil {
			return err
		}
		fmt.Fprintln(c.OutOrStdout(), path)
	}
	fmt.Fprintf(c.ErrOrStderr(), "carry %s to the assistant as %s, %s to each online server as %s\n", "assist.key", assistKeys, "mirror.key", mirrorKeys)
	return nil
}

// writeNew writes a secret to a file that is not there yet.
func writeNew(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

// keysFrom reads the keys of one side; where there are none it says how they come
// to be.
func keysFrom(path, standard, here string) (*feed.Keys, error) {
	if path == "" {
		path = standard
	}
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s: there are no keys, which let the two sides know each other. Next:\n"+
			"  myreplay pair keys\n"+
			"then keep keys/%s here as %s (or name it with --pair-key), and carry the other file to the other side", path, here, standard)
	}
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others: chmod 600 %s", path, path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	keys, err := feed.LoadKeys(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return keys, nil
}
