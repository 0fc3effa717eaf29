package mysqltest

import (
	"fmt"
	"strings"
)

// Kind names a server that tests can have.
type Kind uint8

// The kinds of servers. MySQL 5.7, 8.0 and 8.4 are in no Debian suite.
const (
	// MariaDB is the MariaDB of this machine's own Debian suite (10.11 in
	// bookworm).
	MariaDB Kind = iota + 1
	// MySQL97 is MySQL 9.7 with the X plugin, from Debian sid: the newest 9.7
	// that sid has on the day it is unpacked.
	MySQL97
	// MariaDB118 is MariaDB 11.8, from Debian trixie.
	MariaDB118
	// MariaDB105 is MariaDB 10.5, from Debian bullseye.
	MariaDB105
)

// Kinds lists every kind.
var Kinds = []Kind{MariaDB, MySQL97, MariaDB118, MariaDB105}

var kindNames = [...]string{"?", "mariadb", "mysql97", "mariadb118", "mariadb105"}

// String returns the name that ParseKind reads.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "?"
}

// ParseKind returns the kind with the given name.
func ParseKind(name string) (Kind, error) {
	for _, k := range Kinds {
		if k.String() == name {
			return k, nil
		}
	}
	return 0, fmt.Errorf("no server kind %q: there are %s", name, strings.Join(kindNames[1:], ", "))
}

// mysql tells MySQL from MariaDB.
func (k Kind) mysql() bool { return k == MySQL97 }

// recipe returns what is unpacked for a kind.
func (k Kind) recipe() recipe {
	switch k {
	case MySQL97:
		return recipe{
			name:     k.String(),
			suite:    "sid",
			packages: []string{"mysql-server-core", "mysql-client-core"},
			unneeded: unneeded,
			prune:    mysqlPrune,
		}
	case MariaDB118:
		return mariadbRecipe(k, "trixie", "")
	case MariaDB105:
		return mariadbRecipe(k, "bullseye", "-10.5")
	default:
		return mariadbRecipe(k, "", "")
	}
}

func mariadbRecipe(k Kind, suite, suffix string) recipe {
	return recipe{
		name:     k.String(),
		suite:    suite,
		packages: []string{"mariadb-server-core" + suffix, "mariadb-client-core" + suffix},
		// The plugins (auth_ed25519 among them); mariadb-admin, mariadb-binlog.
		alone:    []string{"mariadb-server" + suffix, "mariadb-client" + suffix},
		unneeded: unneeded,
		prune:    mariadbPrune,
	}
}

// unneeded names packages that the servers depend on and that no server binary
// loads.
var unneeded = []string{
	"perl", "perl-*", "libperl*", "libgdbm*", "libdb5*",
	"libc-gconv-modules*", "gcc-*-base", "libsasl2-modules*",
}

// mysqlPrune and mariadbPrune name the large files of the packages that no
// test needs.
var mysqlPrune = []string{
	"usr/bin/ibd2sdi", "usr/bin/innochecksum", "usr/bin/my_print_defaults", "usr/bin/myisam*",
	"usr/bin/mysql_*", "usr/bin/mysqlimport", "usr/bin/mysqlslap", "usr/bin/perror",
	"usr/lib/mysql/plugin/group_replication.so", "usr/lib/mysql/plugin/mysql_clone.so",
	"usr/lib/mysql/plugin/component_telemetry.so", "usr/lib/mysql/plugin/telemetry_client.so",
	"usr/lib/mysql/plugin/component_mysqlbackup.so", "usr/lib/mysql/plugin/component_group_replication*",
	"usr/lib/mysql/plugin/authentication_webauthn*", "usr/lib/mysql/plugin/authentication_kerberos*",
	"usr/lib/mysql/plugin/authentication_oci*", "usr/lib/mysql/plugin/libpluginmecab.so",
	"usr/lib/mysql/plugin/thread_pool.so",
	"usr/lib/*/libicuio.so*", "usr/lib/*/libicutest.so*", "usr/lib/*/libicutu.so*",
	"usr/lib/*/perl", "usr/lib/*/gconv", "usr/share/mysql-test", "usr/share/perl", "usr/share/perl5",
}

var mariadbPrune = []string{
	"usr/bin/aria_*", "usr/bin/myisam*", "usr/bin/innochecksum", "usr/bin/my_print_defaults",
	"usr/bin/resolveip", "usr/bin/wsrep*", "usr/bin/*-safe-helper", "usr/bin/*_safe_helper",
	"usr/bin/mariadb-check", "usr/bin/mariadb-upgrade", "usr/bin/mariadb-slap", "usr/bin/mariadb-import",
	"usr/bin/mariadb-plugin", "usr/bin/mytop", "usr/bin/replace", "usr/bin/perror",
	"usr/lib/*/gconv", "usr/share/perl5",
}
