package mysqltest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The account that every server has, with all privileges, from any address and
// with the server's default authentication plugin. The account root@localhost
// has no password.
const (
	AdminUser     = "cap"
	AdminPassword = "cappw"
)

// Schema is the empty schema that every server has.
const Schema = "test"

// accountSQL is what every new data directory is given.
func accountSQL(k Kind) string {
	all := User{Name: AdminUser, Password: AdminPassword}.statements(k)
	all = append(all, "CREATE DATABASE IF NOT EXISTS "+Schema)
	return strings.Join(all, ";\n") + ";\n"
}

// newDataDir fills dir, which must not exist, with an initialised data
// directory.
func newDataDir(k Kind, r root, dir string) error {
	from, err := template(k, r)
	if err != nil {
		return err
	}
	return copySparse(from, dir)
}

// template returns an initialised data directory to copy, made once a root.
func template(k Kind, r root) (string, error) {
	sum := sha256.Sum256([]byte(redoSize + accountSQL(k)))
	name := fmt.Sprintf("%s-%x", filepath.Base(r.dir), sum[:4])
	dir, err := cached("templates", name, func(part string) error {
		return initialise(k, r, filepath.Join(part, "data"))
	})
	if err != nil {
		return "", fmt.Errorf("initialise %v: %w", k, err)
	}
	return filepath.Join(dir, "data"), nil
}

// initialise makes a data directory with the server's own means.
func initialise(k Kind, r root, dir string) error {
	how := initialiseMariaDB
	if k.mysql() {
		how = initialiseMySQL
	}
	cmd, err := how(k, r, dir)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	p, err := startProcess(cmd)
	if err == nil {
		err = p.Wait()
	}
	if err != nil {
		return fmt.Errorf("%w: %s", err, endOf(out.String()))
	}
	// Without it the server makes an identity of its own at its first start.
	return os.RemoveAll(filepath.Join(dir, "auto.cnf"))
}

func initialiseMySQL(k Kind, r root, dir string) (*exec.Cmd, error) {
	sql := dir + ".sql"
	if err := os.WriteFile(sql, []byte(accountSQL(k)), 0o644); err != nil {
		return nil, err
	}
	args := append(r.serverArgs(k), "--datadir="+dir, "--init-file="+sql, "--initialize-insecure",
		"--innodb-redo-log-capacity="+redoSize)
	return r.command("mysqld", args...)
}

func initialiseMariaDB(k Kind, r root, dir string) (*exec.Cmd, error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	share, prefix := r.messages(k), "mysql"
	if !exists(filepath.Join(share, "mysql_system_tables.sql")) {
		prefix = "mariadb"
	}
	var sql bytes.Buffer
	sql.WriteString("CREATE DATABASE mysql;\nUSE mysql;\n" +
		"SET @auth_root_socket = NULL;\nSET @skip_auth_anonymous = 1;\n")
	for _, part := range []string{"system_tables", "performance_tables", "system_tables_data"} {
		text, err := os.ReadFile(filepath.Join(share, prefix+"_"+part+".sql"))
		if err != nil {
			return nil, err
		}
		sql.Write(text)
	}
	sql.WriteString("FLUSH PRIVILEGES;\n" + accountSQL(k))
	args := append(r.serverArgs(k), "--datadir="+dir, "--bootstrap", "--innodb-log-file-size="+redoSize)
	cmd, err := r.command("mariadbd", args...)
	if err == nil {
		cmd.Stdin = &sql
	}
	return cmd, err
}

// redoSize is the size of InnoDB's redo log: small, since every server writes
// it out, but enough for a benchmark of some threads.
const redoSize = "32M"

// copySparse copies a folder. Blocks of zeros, of which a new data directory
// mostly consists, become holes.
func copySparse(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		target := filepath.Join(to, name)
		switch {
		case d.IsDir():
			return os.Mkdir(target, 0o755)
		case info.Mode().IsRegular():
			return copyFileSparse(path, target, info)
		default:
			return nil // a socket of the initialisation
		}
	})
}

func copyFileSparse(from, to string, info fs.FileInfo) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		return err
	}
	err = writeSparse(out, in)
	if err == nil {
		err = out.Truncate(info.Size())
	}
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	return err
}

// writeSparse writes what is not zero, block by block, where it belongs.
func writeSparse(out *os.File, in io.Reader) error {
	var zeros [16 << 10]byte
	block := make([]byte, len(zeros))
	for off := int64(0); ; {
		n, err := io.ReadFull(in, block)
		if n > 0 && !bytes.Equal(block[:n], zeros[:n]) {
			if _, err := out.WriteAt(block[:n], off); err != nil {
				return err
			}
		}
		off += int64(n)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
