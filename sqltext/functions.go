package sqltext

// Funcs is a set of what the functions called by a statement do or depend on.
type Funcs uint32

// The kinds of functions. A function in none of them gives the same answer for
// the same arguments and data everywhere, and changes nothing.
const (
	// FuncUnknown: a function that is not built into the server (stored or
	// loadable), or not one known here. It may do anything.
	FuncUnknown Funcs = 1 << iota
	// FuncClock: the statement's time: NOW, CURRENT_DATE, UNIX_TIMESTAMP()...
	// SET timestamp pins it.
	FuncClock
	// FuncSysdate: SYSDATE, which SET timestamp does not pin.
	FuncSysdate
	// FuncRandom: RAND without a seed, RANDOM_BYTES, ENCRYPT.
	FuncRandom
	// FuncUUID: UUID and its kind.
	FuncUUID
	// FuncIdentity: who asks: CONNECTION_ID, USER, CURRENT_ROLE...
	FuncIdentity
	// FuncServer: which server answers: VERSION, ICU_VERSION...
	FuncServer
	// FuncSession: what the session did before: LAST_INSERT_ID(), ROW_COUNT,
	// FOUND_ROWS, LASTVAL.
	FuncSession
	// FuncSetsInsertID: LAST_INSERT_ID(expr), which sets what LAST_INSERT_ID()
	// returns later in the session.
	FuncSetsInsertID
	// FuncLock: GET_LOCK, RELEASE_LOCK, RELEASE_ALL_LOCKS: locks that other
	// sessions see.
	FuncLock
	// FuncLockState: IS_FREE_LOCK, IS_USED_LOCK.
	FuncLockState
	// FuncSleep: SLEEP.
	FuncSleep
	// FuncBenchmark: BENCHMARK.
	FuncBenchmark
	// FuncFile: LOAD_FILE, which reads a file of the server's host.
	FuncFile
	// FuncSequence: NEXTVAL, SETVAL, NEXT VALUE FOR: they change a sequence.
	FuncSequence
	// FuncWait: waits for replication: MASTER_POS_WAIT and its kind.
	FuncWait
	// FuncCrypto: encrypts or hashes with a key or password among its
	// arguments.
	FuncCrypto
)

// Servers that a built-in function belongs to.
const (
	inMySQL = 1 << iota
	inMariaDB
	inBoth = inMySQL | inMariaDB
)

// builtins lists the functions of MySQL 8.0 to 9.7 and MariaDB 10.5 to 11.8. A
// name that became built in with a later version counts for the earlier ones
// too: a stored function of that name stands in for it. A name that a version
// gave up does not, since a stored function may do anything; only of md5, sha
// and sha1, which MySQL 9.7 leaves to a component, it is taken that they are
// what they were. (TestOnServers asks the servers.) Left
// out on purpose are functions of components and plugins (keyring_*,
// group_replication_*, asynchronous_connection_failover_*, innodb_redo_log_*):
// they are loadable, and many change the server.
var builtins = []struct {
	servers uint8
	funcs   Funcs
	names   string
}{
	{inBoth, 0, plainFunctions},
	{inBoth, 0, geometryFunctions},
	{inMySQL, 0, mysqlFunctions},
	{inMariaDB, 0, mariadbFunctions},
	{inMariaDB, 0, oldGeometryFunctions},
	{inBoth, FuncClock, `now curdate curtime current_date current_time current_timestamp localtime localtimestamp
		utc_date utc_time utc_timestamp unix_timestamp`},
	{inBoth, FuncSysdate, `sysdate`},
	{inBoth, FuncRandom, `rand random_bytes`},
	{inMariaDB, FuncRandom | FuncCrypto, `encrypt`},
	{inBoth, FuncUUID, `uuid uuid_short`},
	{inMariaDB, FuncUUID, `uuid_v4 uuid_v7 sys_guid`},
	{inMySQL, FuncUUID, `mysqlx_generate_document_id`},
	{inBoth, FuncIdentity, `connection_id user current_user session_user system_user current_role`},
	{inMySQL, FuncIdentity, `ps_current_thread_id ps_thread_id roles_graphml`},
	{inBoth, FuncServer, `version`},
	{inMySQL, FuncServer, `icu_version`},
	{inMariaDB, FuncServer, `wsrep_last_seen_gtid wsrep_last_written_gtid binlog_gtid_pos`},
	{inBoth, FuncSession, `last_insert_id row_count found_rows`},
	{inMariaDB, FuncSession, `lastval`},
	{inBoth, FuncLock, `get_lock release_lock release_all_locks`},
	{inBoth, FuncLockState, `is_free_lock is_used_lock`},
	{inBoth, FuncSleep, `sleep`},
	{inBoth, FuncBenchmark, `benchmark`},
	{inBoth, FuncFile, `load_file`},
	{inMariaDB, FuncSequence, `nextval setval`},
	{inBoth, FuncWait, `master_pos_wait`},
	{inMySQL, FuncWait, `source_pos_wait wait_for_executed_gtid_set`},
	{inMariaDB, FuncWait, `master_gtid_wait wsrep_sync_wait_upto_gtid`},
	{inBoth, FuncCrypto, `aes_encrypt aes_decrypt password`},
	{inMariaDB, FuncCrypto, `des_encrypt des_decrypt encode decode old_password`},
	{inMySQL, FuncCrypto, `validate_password_strength`},
	{inMariaDB, FuncCrypto, `kdf`},
}

// spaceSensitive functions are built in only when no space stands before the
// parenthesis (unless IGNORE_SPACE).
const spaceSensitive = `
adddate bit_and bit_or bit_xor cast count curdate curtime date_add date_sub extract group_concat json_arrayagg
json_objectagg max mid min now position session_user st_collect std stddev stddev_pop stddev_samp subdate substr
substring sum sysdate system_user trim variance var_pop var_samp
`

// mariadbSpaceSensitive functions are so in MariaDB only.
const mariadbSpaceSensitive = `
cume_dist dense_rank first_value lag lead median nth_value ntile percent_rank percentile_cont percentile_disc rank
trim_oracle
`

const plainFunctions = `
abs acos adddate addtime ascii asin atan atan2 avg bin bit_and bit_count bit_length bit_or bit_xor cast ceil
ceiling char char_length character_length charset coalesce coercibility collation compress concat concat_ws conv
convert convert_tz cos cot count crc32 cume_dist database date date_add date_format date_sub datediff day dayname
dayofmonth dayofweek dayofyear default degrees dense_rank elt exp export_set extract extractvalue field find_in_set
first_value floor format format_bytes format_pico_time from_base64 from_days from_unixtime get_format greatest
group_concat hex hour if ifnull inet6_aton inet6_ntoa inet_aton inet_ntoa insert instr interval is_ipv4
is_ipv4_compat is_ipv4_mapped is_ipv6 isnull json_array json_array_append json_array_insert json_arrayagg
json_contains json_contains_path json_depth json_extract json_insert json_keys json_length json_merge
json_merge_patch json_merge_preserve json_object json_objectagg json_overlaps json_pretty json_quote json_remove
json_replace json_schema_valid json_search json_set json_table json_type json_unquote json_valid json_value lag
last_day last_value lcase lead least left length ln locate log log10 log2 lower lpad ltrim make_set makedate
maketime max md5 microsecond mid min minute mod month monthname name_const nth_value ntile nullif oct octet_length
ord percent_rank period_add period_diff pi position pow power quarter quote radians rank regexp_instr regexp_replace
regexp_substr repeat replace reverse right round row_number rpad rtrim schema sec_to_time second sha sha1 sha2 sign
sin soundex space sqrt std stddev stddev_pop stddev_samp str_to_date strcmp subdate substr substring substring_index
subtime sum tan time time_format time_to_sec timediff timestamp timestampadd timestampdiff to_base64 to_days
to_seconds trim truncate ucase uncompress uncompressed_length unhex updatexml upper values var_pop var_samp variance
week weekday weekofyear weight_string year yearweek
`

const geometryFunctions = `
contains geometrycollection linestring mbrcontains mbrdisjoint mbrequals mbrintersects mbroverlaps mbrtouches
mbrwithin multilinestring multipoint multipolygon point polygon srid st_area st_asbinary st_asgeojson st_astext
st_aswkb st_aswkt st_buffer st_centroid st_contains st_convexhull st_crosses st_difference st_dimension st_disjoint
st_distance st_distance_sphere st_endpoint st_envelope st_equals st_exteriorring st_geomcollfromtext
st_geomcollfromwkb st_geometrycollectionfromtext st_geometrycollectionfromwkb st_geometryfromtext st_geometryfromwkb
st_geometryn st_geometrytype st_geomfromgeojson st_geomfromtext st_geomfromwkb st_interiorringn st_intersection
st_intersects st_isclosed st_isempty st_issimple st_length st_linefromtext st_linefromwkb st_linestringfromtext
st_linestringfromwkb st_mlinefromtext st_mlinefromwkb st_mpointfromtext st_mpointfromwkb st_mpolyfromtext
st_mpolyfromwkb st_multilinestringfromtext st_multilinestringfromwkb st_multipointfromtext st_multipointfromwkb
st_multipolygonfromtext st_multipolygonfromwkb st_numgeometries st_numinteriorrings st_numpoints st_overlaps
st_pointfromtext st_pointfromwkb st_pointn st_polyfromtext st_polyfromwkb st_polygonfromtext st_polygonfromwkb
st_srid st_startpoint st_symdifference st_touches st_union st_within st_x st_y
`

// oldGeometryFunctions left MySQL with 8.0, where their names, many of them plain
// words, may since be those of stored functions.
const oldGeometryFunctions = `
area asbinary astext aswkb aswkt buffer centroid convexhull crosses dimension disjoint endpoint envelope equals
exteriorring geomcollfromtext geomcollfromwkb geometrycollectionfromtext geometrycollectionfromwkb geometryfromtext
geometryfromwkb geometryn geometrytype geomfromtext geomfromwkb glength interiorringn intersects isclosed isempty
issimple linefromtext linefromwkb linestringfromtext linestringfromwkb mbrequal mlinefromtext mlinefromwkb
mpointfromtext mpointfromwkb mpolyfromtext mpolyfromwkb multilinestringfromtext multilinestringfromwkb
multipointfromtext multipointfromwkb multipolygonfromtext multipolygonfromwkb numgeometries numinteriorrings
numpoints overlaps pointfromtext pointfromwkb pointn pointonsurface polyfromtext polyfromwkb polygonfromtext
polygonfromwkb startpoint touches within x y
`

const mysqlFunctions = `
any_value bin_to_uuid from_vector geomcollection grouping gtid_subset gtid_subtract is_uuid
json_schema_validation_report json_storage_free json_storage_size mbrcoveredby mbrcovers regexp_like
st_buffer_strategy st_collect st_frechetdistance st_geohash st_geomcollfromtxt st_hausdorffdistance st_isvalid
st_latfromgeohash st_latitude st_lineinterpolatepoint st_lineinterpolatepoints st_longfromgeohash st_longitude
st_makeenvelope st_numinteriorring st_pointatdistance st_pointfromgeohash st_simplify st_swapxy st_transform
st_validate statement_digest statement_digest_text string_to_vector to_vector uuid_to_bin vector_dim
vector_to_string
`

const mariadbFunctions = `
add_months boundary chr column_add column_check column_create column_delete column_exists column_get column_json
column_list concat_operator_oracle crc32c decode_histogram decode_oracle json_array_intersect json_compact
json_detailed json_equals json_exists json_key_value json_loose json_normalize json_object_filter_keys
json_object_to_array json_query lengthb lpad_oracle ltrim_oracle median natural_sort_key nvl nvl2 percentile_cont
percentile_disc replace_oracle rownum rpad_oracle rtrim_oracle schemas sformat st_boundary st_isring st_pointonsurface
st_relate substr_oracle to_char trim_oracle vec_distance vec_distance_cosine
vec_distance_euclidean vec_fromtext vec_totext
`
