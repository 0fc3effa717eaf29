package mysqltest

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// mirrorVariable overrides the mirror that is read from apt's sources.
const mirrorVariable = "MYREPLAY_DEBIAN_MIRROR"

// source is one archive of apt's sources: a URI with the suites and components
// that are taken from it.
type source struct {
	uri        string
	suites     []string
	components []string
	signedBy   string
}

// debianMirror returns the URI of the Debian archive that this machine uses.
func debianMirror() (string, error) {
	if uri := os.Getenv(mirrorVariable); uri != "" {
		return uri, nil
	}
	sources, err := readSources("/etc/apt")
	if err != nil {
		return "", err
	}
	for _, s := range sources {
		if s.debian() {
			return s.uri, nil
		}
	}
	return "", fmt.Errorf("no Debian archive in apt's sources: set %s", mirrorVariable)
}

// readSources reads all sources of an apt folder in apt's order.
func readSources(dir string) ([]source, error) {
	files, err := filepath.Glob(filepath.Join(dir, "sources.list.d", "*"))
	if err != nil {
		return nil, err
	}
	var all []source
	for _, name := range append([]string{filepath.Join(dir, "sources.list")}, files...) {
		parse := parseOneLine
		switch filepath.Ext(name) {
		case ".list":
		case ".sources":
			parse = parseStanzas
		default:
			continue
		}
		text, err := os.ReadFile(name)
		if os.IsNotExist(err) || os.IsPermission(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read apt's sources: %w", err)
		}
		all = append(all, parse(string(text))...)
	}
	return all, nil
}

// debianSuites are the names by which Debian's own suites go. Archives of
// others use names of their own, or these together with their own keys.
var debianSuites = []string{
	"bullseye", "bookworm", "trixie", "forky", "duke", "sid",
	"oldoldstable", "oldstable", "stable", "testing", "unstable",
}

// debian tells whether s is Debian's main archive, not its security archive
// and nobody else's.
func (s source) debian() bool {
	if !slices.Contains(s.components, "main") || strings.Contains(s.uri, "security") {
		return false
	}
	if strings.HasPrefix(s.uri, "cdrom:") {
		return false
	}
	if s.signedBy != "" && !strings.Contains(s.signedBy, "debian-archive-") {
		return false
	}
	return slices.ContainsFunc(s.suites, func(suite string) bool {
		return slices.Contains(debianSuites, suite)
	})
}

// parseOneLine reads the one-line format: "deb [options] URI suite component...".
func parseOneLine(text string) []source {
	var found []source
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimSpace(line)
		rest, ok := strings.CutPrefix(line, "deb")
		if !ok || rest == "" || !strings.ContainsAny(rest[:1], " \t") {
			continue
		}
		var s source
		rest = strings.TrimSpace(rest)
		if strings.HasPrefix(rest, "[") {
			options, after, closed := strings.Cut(rest[1:], "]")
			if !closed {
				continue
			}
			rest = after
			for _, o := range strings.Fields(options) {
				if v, ok := strings.CutPrefix(o, "signed-by="); ok {
					s.signedBy = v
				}
			}
		}
		fields := strings.Fields(rest)
		if len(fields) < 3 {
			continue
		}
		s.uri, s.suites, s.components = fields[0], fields[1:2], fields[2:]
		found = append(found, s)
	}
	return found
}

// parseStanzas reads the deb822 format: stanzas of "Field: value" lines, with
// continuation lines that begin with a blank.
func parseStanzas(text string) []source {
	var found []source
	fields := map[string]string{}
	last := ""
	end := func() {
		found = append(found, stanza(fields)...)
		clear(fields)
		last = ""
	}
	for scan := bufio.NewScanner(strings.NewReader(text)); scan.Scan(); {
		line := scan.Text()
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.TrimSpace(line) == "":
			end()
		case line[0] == ' ' || line[0] == '\t':
			fields[last] += " " + strings.TrimSpace(line)
		default:
			name, value, _ := strings.Cut(line, ":")
			last = strings.ToLower(strings.TrimSpace(name))
			fields[last] = strings.TrimSpace(value)
		}
	}
	end()
	return found
}

// stanza returns one source a URI of a stanza, none when it is switched off or
// holds source packages only.
func stanza(fields map[string]string) []source {
	if !slices.Contains(strings.Fields(fields["types"]), "deb") {
		return nil
	}
	switch strings.ToLower(fields["enabled"]) {
	case "no", "false", "0":
		return nil
	}
	var found []source
	for _, uri := range strings.Fields(fields["uris"]) {
		found = append(found, source{
			uri:        uri,
			suites:     strings.Fields(fields["suites"]),
			components: strings.Fields(fields["components"]),
			signedBy:   fields["signed-by"],
		})
	}
	return found
}

// ownSuite returns the Debian suite of this machine, "stable" on a machine that
// is not Debian.
func ownSuite() string {
	text, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return "stable"
	}
	return suiteOf(string(text))
}

func suiteOf(osRelease string) string {
	values := map[string]string{}
	for line := range strings.Lines(osRelease) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			values[k] = strings.Trim(v, `"'`)
		}
	}
	if codename := values["VERSION_CODENAME"]; values["ID"] == "debian" && codename != "" {
		return codename
	}
	return "stable"
}
