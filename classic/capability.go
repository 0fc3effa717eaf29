package classic

import "strings"

// Capability is a set of capability flags: bits 0 to 31 are MySQL's
// ("Capabilities Flags"), bits 32 to 63 MariaDB's extended ones.
type Capability uint64

// The capability flags.
const (
	LongPassword         Capability = 1 << 0 // MariaDB calls it CLIENT_MYSQL and clears it
	FoundRows            Capability = 1 << 1
	LongFlag             Capability = 1 << 2
	ConnectWithDB        Capability = 1 << 3
	NoSchema             Capability = 1 << 4
	Compress             Capability = 1 << 5
	ODBC                 Capability = 1 << 6
	LocalFiles           Capability = 1 << 7
	IgnoreSpace          Capability = 1 << 8
	Protocol41           Capability = 1 << 9
	Interactive          Capability = 1 << 10
	SSL                  Capability = 1 << 11
	IgnoreSigpipe        Capability = 1 << 12
	Transactions         Capability = 1 << 13
	Reserved             Capability = 1 << 14
	SecureConnection     Capability = 1 << 15
	MultiStatements      Capability = 1 << 16
	MultiResults         Capability = 1 << 17
	PSMultiResults       Capability = 1 << 18
	PluginAuth           Capability = 1 << 19
	ConnectAttrs         Capability = 1 << 20
	PluginAuthLenenc     Capability = 1 << 21
	ExpiredPasswords     Capability = 1 << 22
	SessionTrack         Capability = 1 << 23
	DeprecateEOF         Capability = 1 << 24
	OptionalMetadata     Capability = 1 << 25
	ZstdCompression      Capability = 1 << 26
	QueryAttributes      Capability = 1 << 27
	MultiFactorAuth      Capability = 1 << 28
	CapabilityExtension  Capability = 1 << 29
	SSLVerifyServerCert  Capability = 1 << 30
	RememberOptions      Capability = 1 << 31
	MariaProgress        Capability = 1 << 32
	MariaMulti           Capability = 1 << 33
	MariaBulkOperations  Capability = 1 << 34
	MariaExtMetadata     Capability = 1 << 35
	MariaCacheMetadata   Capability = 1 << 36
	MariaBulkUnitResults Capability = 1 << 37
)

var capabilityNames = [...]string{"LONG_PASSWORD", "FOUND_ROWS", "LONG_FLAG", "CONNECT_WITH_DB", "NO_SCHEMA",
	"COMPRESS", "ODBC", "LOCAL_FILES", "IGNORE_SPACE", "PROTOCOL_41", "INTERACTIVE", "SSL", "IGNORE_SIGPIPE",
	"TRANSACTIONS", "RESERVED", "SECURE_CONNECTION", "MULTI_STATEMENTS", "MULTI_RESULTS", "PS_MULTI_RESULTS",
	"PLUGIN_AUTH", "CONNECT_ATTRS", "PLUGIN_AUTH_LENENC_CLIENT_DATA", "CAN_HANDLE_EXPIRED_PASSWORDS",
	"SESSION_TRACK", "DEPRECATE_EOF", "OPTIONAL_RESULTSET_METADATA", "ZSTD_COMPRESSION_ALGORITHM",
	"QUERY_ATTRIBUTES", "MULTI_FACTOR_AUTHENTICATION", "CAPABILITY_EXTENSION", "SSL_VERIFY_SERVER_CERT",
	"REMEMBER_OPTIONS", "MARIADB_PROGRESS", "MARIADB_COM_MULTI", "MARIADB_STMT_BULK_OPERATIONS",
	"MARIADB_EXTENDED_METADATA", "MARIADB_CACHE_METADATA", "MARIADB_BULK_UNIT_RESULTS"}

// Has tells whether all flags of f are set.
func (c Capability) Has(f Capability) bool { return c&f == f }

// String returns the names of the set flags, separated by "|".
func (c Capability) String() string {
	var names []string
	for i, n := range capabilityNames {
		if c&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return strings.Join(names, "|")
}

// The status flags of a server (SERVER_STATUS_*, "Status Flags").
const (
	StatusInTrans             uint16 = 0x0001
	StatusAutocommit          uint16 = 0x0002
	StatusMoreResults         uint16 = 0x0008
	StatusNoGoodIndexUsed     uint16 = 0x0010
	StatusNoIndexUsed         uint16 = 0x0020
	StatusCursorExists        uint16 = 0x0040
	StatusLastRowSent         uint16 = 0x0080
	StatusDBDropped           uint16 = 0x0100
	StatusNoBackslashEscapes  uint16 = 0x0200
	StatusMetadataChanged     uint16 = 0x0400
	StatusQueryWasSlow        uint16 = 0x0800
	StatusPSOutParams         uint16 = 0x1000
	StatusInTransReadonly     uint16 = 0x2000
	StatusSessionStateChanged uint16 = 0x4000
	StatusAnsiQuotes          uint16 = 0x8000 // MariaDB
)

// Compression is an algorithm of the compressed protocol.
type Compression uint8

// The algorithms.
const (
	Uncompressed Compression = iota
	Zlib
	Zstd
)

// String returns the algorithm's name as the server's variable
// protocol_compression_algorithms spells it, "" for Uncompressed.
func (c Compression) String() string {
	switch c {
	case Zlib:
		return "zlib"
	case Zstd:
		return "zstd"
	}
	return ""
}

// CompressionOf returns the algorithm that capabilities agreed by both sides
// turn on: zlib wins when both are there.
func CompressionOf(agreed Capability) Compression {
	switch {
	case agreed.Has(Compress):
		return Zlib
	case agreed.Has(ZstdCompression):
		return Zstd
	}
	return Uncompressed
}
