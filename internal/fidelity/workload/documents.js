// Documents over the X Protocol: find, modify, add and remove by _id on a few hot
// and many cold documents, counters whose order matters, criteria that reach
// several documents, transactions with rollbacks. Ids are the client's, except in
// the collection "stamp", whose ids the server makes.
//
//   node documents.js prepare SOCKET USER PASSWORD
//   node documents.js login   SOCKET USER PASSWORD
//   node documents.js run     SOCKET USER PASSWORD PORT SESSIONS SECONDS SEED
//
// Sessions are in the clear, so that a tap can read them; the server lets them in
// by the hash that a login over its unix socket has put into its cache (step
// "login" does nothing else). At the end one line of JSON tells what was done.
'use strict';
const { fork } = require('child_process');
const mysqlx = require('@mysql/xdevapi');
const [step, socket, user, password, port, sessions, seconds, seed, first] = process.argv.slice(2);

const COLD = 2000, HOT = 10, GROUPS = 40, MOD = 1000003;
const PROCESSES = 2; // one alone keeps no server busy
const locks = new Set([1213, 1205, 1020, 3058]); // what the server may refuse, and the application gives up

// xdevapi 8.0.35 ends what it sends for SHA256_MEMORY with a zero byte, which
// MySQL 9.7 does not take for a hash. This leaves it out.
const mechanisms = require('@mysql/xdevapi/lib/Authentication/AuthenticationManager');
const theirs = mechanisms.getPlugin('SHA256_MEMORY');
function mechanism(state) {
  const plugin = theirs(state), data = plugin.getNextAuthData;
  plugin.getNextAuthData = nonce => {
    const b = data.call(plugin, nonce);
    return b.subarray(0, b.length - 1);
  };
  return plugin;
}
mechanism.Name = 'SHA256_MEMORY';
mechanisms.registerPlugin(mechanism);

// random returns seeded numbers (mulberry32): random(a, b) is whole, from a to b.
function random(seed) {
  let a = seed >>> 0;
  return (from, to) => {
    a = (a + 0x6D2B79F5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return from + ((t ^ (t >>> 14)) >>> 0) % (to - from + 1);
  };
}

const id = n => 'd' + String(n).padStart(6, '0');

const overSocket = () => mysqlx.getSession({ socket, user, password, schema: 'test', tls: { enabled: false } });

async function login() { await (await overSocket()).close(); }

async function prepare() {
  const session = await overSocket();
  const schema = session.getSchema('test');
  const docs = await schema.createCollection('doc');
  for (let n = 1; n <= COLD; n += 200) {
    const some = [];
    for (let i = n; i < n + 200; i++) some.push({ _id: id(i), grp: i % GROUPS, v: i, name: 'name ' + i });
    await docs.add(some).execute();
  }
  await docs.createIndex('grp_idx', { fields: [{ field: '$.grp', type: 'INT', required: true }] });
  await schema.createCollection('note');
  await schema.createCollection('stamp');
  await session.sql('CREATE TABLE fid (id INT PRIMARY KEY, n INT NOT NULL, s VARCHAR(20) NOT NULL, KEY fid_n (n))').execute();
  for (let i = 1; i <= 20; i++) await session.sql(`INSERT INTO fid VALUES (${i}, ${i % 5}, 'row ${i}')`).execute();
  await session.sql('CREATE FUNCTION fid_half(n INT) RETURNS INT DETERMINISTIC NO SQL RETURN n DIV 2').execute();
  await session.close();
}

// What planted.lua has, for a difference that is planted in the target to be noticed:
// statements, and where their value is taken from.
const notices = [
  ['SELECT fid_half(n) AS half FROM fid WHERE id = ?', 5, 9],
  ['SELECT id || n AS either FROM fid WHERE id = ?', 5, 9],
  ['SELECT id, n FROM fid FORCE INDEX (fid_n) WHERE n = ? ORDER BY id', 0, 4],
  ['SELECT s FROM fid WHERE id = ?', 3, 3], // the row that is planted
  ['SELECT id, n, s FROM fid WHERE id = ?', 5, 9],
];

class Client {
  constructor(number) {
    this.number = number;
    this.random = random(+seed * 1000 + number);
    this.made = 0;
    this.notes = [];
    this.done = 0;
  }

  async connect() {
    this.session = await mysqlx.getSession({ host: '127.0.0.1', port: +port, user, password, schema: 'test', auth: 'SHA256_MEMORY', tls: { enabled: false } });
    const schema = this.session.getSchema('test');
    this.docs = schema.getCollection('doc');
    this.notesOf = schema.getCollection('note');
    this.stamps = schema.getCollection('stamp');
  }

  percent(p) { return this.random(1, 100) <= p; }
  some() { return id(this.percent(30) ? this.random(1, HOT) : this.random(1, COLD)); }
  text() { return 'text ' + this.random(1, 1e9); }

  async find() { await this.docs.find('_id = :id').bind('id', this.some()).execute(); }
  async findGroup() { await this.docs.find('grp = :g').fields('_id', 'v').sort('_id').limit(10).bind('g', this.random(0, GROUPS - 1)).execute(); }

  count(which) {
    return this.docs.modify('_id = :id').set('v', mysqlx.expr(`(v * 31 + ${this.random(1, 999)}) % ${MOD}`)).bind('id', which).execute();
  }
  async modify() { await this.count(this.some()); }
  async rename() { await this.docs.modify('_id = :id').set('name', this.text()).bind('id', this.some()).execute(); }
  async modifyGroup() {
    await this.docs.modify('grp = :g and v < :v').set('mark', this.number).bind('g', this.random(0, GROUPS - 1)).bind('v', this.random(1, MOD)).execute();
  }

  async note() {
    const n = `n${this.number}-${++this.made}`;
    this.notes.push(n);
    await this.notesOf.add({ _id: n, about: this.some(), text: this.text() }).execute();
  }
  async forget() {
    const n = this.notes.shift();
    if (n) await this.notesOf.remove('_id = :id').bind('id', n).execute();
  }
  async stamp() { await this.stamps.add({ who: this.number, n: ++this.made }, { who: this.number, n: ++this.made }).execute(); }

  async notice() {
    const [text, from, to] = notices[this.random(0, notices.length - 1)];
    await this.session.sql(text).bind(this.random(from, to)).execute();
  }

  // Two documents and a note, together or not at all.
  async move() {
    await this.session.startTransaction();
    await this.docs.find('_id = :id').bind('id', this.some()).execute();
    await this.count(this.some());
    if (this.percent(10)) await this.notice();
    await this.count(this.some());
    await this.note();
    if (this.percent(10)) {
      this.notes.pop();
      await this.session.rollback();
    } else {
      await this.session.commit();
    }
  }

  // Read under a lock, write what was computed here.
  async compute() {
    await this.session.startTransaction();
    const which = this.some();
    const doc = (await this.docs.find('_id = :id').lockExclusive().bind('id', which).execute()).fetchOne();
    if (doc) await this.docs.modify('_id = :id').set('v', (doc.v * 31 + this.number) % MOD).bind('id', which).execute();
    await this.session.commit();
  }

  async one() {
    const at = this.random(1, 100);
    if (at <= 30) return this.find();
    if (at <= 36) return this.findGroup();
    if (at <= 56) return this.modify();
    if (at <= 62) return this.rename();
    if (at <= 64) return this.modifyGroup();
    if (at <= 74) return this.note();
    if (at <= 80) return this.forget();
    if (at <= 84) return this.stamp();
    if (at <= 94) return this.move();
    return this.compute();
  }

  async run(end, errors) {
    while (Date.now() < end) {
      try {
        await this.one();
        if (this.percent(4)) await this.notice();
        this.done++;
      } catch (e) {
        const code = e.info && e.info.code;
        if (!locks.has(code)) throw e;
        errors[code] = (errors[code] || 0) + 1;
        await this.session.rollback();
      }
    }
    await this.session.close();
  }
}

// share is what one process does: its sessions are numbered from first on.
async function share() {
  const clients = Array.from({ length: +sessions }, (_, i) => new Client(+first + i));
  for (const c of clients) await c.connect();
  const errors = {}, end = Date.now() + 1000 * +seconds;
  await Promise.all(clients.map(c => c.run(end, errors)));
  process.send({ done: clients.reduce((n, c) => n + c.done, 0), errors });
}

async function run() {
  await login();
  const each = Math.ceil(+sessions / PROCESSES), total = { done: 0, errors: {} }, ends = [];
  for (let from = 0; from < +sessions; from += each) {
    const child = fork(__filename, ['share', socket, user, password, port, Math.min(each, +sessions - from), seconds, seed, from]);
    child.on('message', m => {
      total.done += m.done;
      for (const code in m.errors) total.errors[code] = (total.errors[code] || 0) + m.errors[code];
    });
    ends.push(new Promise((ok, bad) => child.on('exit', code => code === 0 ? ok() : bad(new Error('a process ended with ' + code)))));
  }
  await Promise.all(ends);
  console.log(JSON.stringify(total));
}

({ prepare, login, run, share })[step]().then(() => process.disconnect && process.disconnect(), e => { console.error(e); process.exit(1); });
