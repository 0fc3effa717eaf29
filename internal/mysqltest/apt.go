package mysqltest

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// apt runs apt-get on lists, state and sources of its own: one suite of the
// Debian archive, verified with Debian's keys, and no package installed.
type apt struct {
	dir string
}

// aptConfig is apt's configuration; %s is the private folder. The machine's own
// is read before it (proxies), its hooks are taken back.
const aptConfig = `Dir::Etc::sourcelist "%[1]s/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "%[1]s/state";
Dir::State::lists "%[1]s/state/lists";
Dir::State::status "%[1]s/state/status";
Dir::Cache "%[1]s/cache";
APT::Sandbox::User "root";
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::Retries "3";
Acquire::http::Timeout "30";
APT::Update::Error-Mode "any";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
`

// keyrings are where Debian keeps the keys of its archive.
var keyrings = []string{
	"/usr/share/keyrings/debian-archive-keyring.gpg",
	"/usr/share/keyrings/debian-archive-keyring.pgp",
}

// newApt makes a private apt in dir and gets the lists of the suite.
func newApt(dir, suite string) (*apt, error) {
	for _, tool := range []string{"apt-get", "dpkg-deb", "tar"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, unavailable(err)
		}
	}
	keys := slices.IndexFunc(keyrings, exists)
	if keys < 0 {
		return nil, unavailable(errors.New("no Debian keyring (package debian-archive-keyring)"))
	}
	mirror, err := debianMirror()
	if err != nil {
		return nil, unavailable(err)
	}
	for _, d := range []string{"state/lists/partial", "cache/archives/partial", "debs"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, err
		}
	}
	a := &apt{dir}
	files := map[string]string{
		"apt.conf":     fmt.Sprintf(aptConfig, dir),
		"sources.list": fmt.Sprintf("deb [signed-by=%s] %s %s main\n", keyrings[keys], mirror, suite),
		"state/status": "",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	if _, err := a.get("update"); err != nil {
		return nil, err
	}
	return a, nil
}

// get runs apt-get; its failures count as "unavailable".
func (a *apt) get(args ...string) (string, error) {
	cmd := exec.Command("apt-get", append([]string{"-q", "-y", "-c", filepath.Join(a.dir, "apt.conf")}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	cmd.Dir = filepath.Join(a.dir, "debs")
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", unavailable(fmt.Errorf("apt-get %s: %w: %s", args[0], err, endOf(stderr.String())))
	}
	return stdout.String(), nil
}

// download fetches the packages of a recipe and returns their files.
func (a *apt) download(r recipe) ([]string, error) {
	list, err := a.get(append([]string{"install", "--print-uris"}, r.packages...)...)
	if err != nil {
		return nil, err
	}
	want := slices.Clone(r.alone)
	for _, p := range parseURIs(list) {
		if !matchesAny(p.name, r.unneeded) {
			want = append(want, p.name+"="+p.version)
		}
	}
	if _, err := a.get(append([]string{"download"}, want...)...); err != nil {
		return nil, err
	}
	debs, err := filepath.Glob(filepath.Join(a.dir, "debs", "*.deb"))
	if err == nil && len(debs) < len(want) {
		err = fmt.Errorf("apt-get download: %d of %d packages", len(debs), len(want))
	}
	return debs, err
}

// debPackage is one package of apt's answer.
type debPackage struct {
	name, version string
}

// uriLine is a line of --print-uris: 'URI' FILE SIZE HASH.
var uriLine = regexp.MustCompile(`(?m)^'[^']*' ([^_ ]+)_([^_ ]+)_[^ ]*\.deb `)

// parseURIs reads what apt-get prints for --print-uris.
func parseURIs(text string) []debPackage {
	var all []debPackage
	for _, m := range uriLine.FindAllStringSubmatch(text, -1) {
		version, err := url.PathUnescape(m[2]) // an epoch's colon is %3a
		if err != nil {
			continue
		}
		all = append(all, debPackage{m[1], version})
	}
	return all
}

// unavailable marks an error as ErrUnavailable.
func unavailable(err error) error {
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// lastLines returns the last n lines of what a program wrote.
func lastLines(out string, n int) []string {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	return lines[max(0, len(lines)-n):]
}

// endOf returns the last lines of what a program wrote as one line.
func endOf(out string) string { return strings.Join(lastLines(out, 4), "; ") }
