'use strict';
// node families.js NAMESRV: what ali-ons offers besides tags, each on a topic `family-NAME` that is there, all at once.
// What comes twice is allowed for, as every consumer must. Prints `family NAME pass` or `family NAME fail REASON`; ends with 1 after DEADLINE_MS.

const { Consumer, Message, Producer } = require('ali-ons');

const DEADLINE_MS = 90000;
const COUNT = 20;
const QUIET_MS = 2500; // what should not come, comes within
const [ nameSrv ] = process.argv.slice(2);
const quiet = { debug() {}, info() {}, warn() {}, error: console.error };
const options = {
  nameSrv,
  httpclient: {}, // asked for addresses only where no name server is named
  logger: quiet,
  rebalanceInterval: 1000,
  persistConsumerOffsetInterval: 500,
};

const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));
const topicOf = name => `family-${name}`;

async function until(what, check) {
  const end = Date.now() + DEADLINE_MS - 10000;
  while (!check()) {
    if (Date.now() > end) throw new Error(`${what} did not come`);
    await sleep(50);
  }
}

function require_(holds, what) {
  if (!holds) throw new Error(what);
}

async function send(name, change = () => {}, more = {}) {
  const producer = new Producer({ ...options, ...more, instanceName: `sender-${name}`, producerGroup: `senders-${name}` });
  await producer.ready();
  for (let i = 0; i < COUNT; i++) {
    const message = new Message(topicOf(name), 'tag', `body-${i}`);
    change(message, i);
    const result = await producer.send(message);
    require_(result.sendStatus === 'SEND_OK', `message ${i}: ${result.sendStatus}`);
  }
  await producer.close();
}

// handle(message) may throw: the message comes again
async function consume(name, member, handle, more = {}) {
  const consumer = new Consumer({
    ...options,
    ...more,
    instanceName: `${name}-${member}`,
    consumerGroup: `readers-${name}`,
    consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
  });
  consumer.on('error', () => {}); // refused messages are told here
  consumer.subscribe(topicOf(name), '*', async message => handle(message));
  await consumer.ready();
  return consumer;
}

const families = {
  // a message whose handler fails comes again, counted, until it is taken
  async retry(name) {
    const times = new Map();
    const consumer = await consume(name, 'a', message => {
      const body = message.body.toString();
      times.set(body, (times.get(body) || new Set()).add(message.reconsumeTimes));
      if (body.endsWith('7') && message.reconsumeTimes === 0) throw new Error('refused');
    });
    await send(name);
    await until('every message', () => times.size === COUNT && times.get('body-7').size > 1 && times.get('body-17').size > 1);
    await sleep(QUIET_MS);
    for (const [ body, counts ] of times) {
      const wanted = body.endsWith('7') ? '0,1' : '0';
      require_([ ...counts ].join() === wanted, `${body} came ${[ ...counts ]}`);
    }
    await consumer.close();
  },

  // a refused message that is used up is a dead letter, and comes no more
  async deadletter(name) {
    const came = new Set();
    const consumer = await consume(name, 'a', message => {
      came.add(`${message.body} ${message.reconsumeTimes}`);
      throw new Error('refused');
    }, { maxReconsumeTimes: 1 });
    await send(name);
    await until('each message twice', () => came.size >= 2 * COUNT);
    await sleep(2 * QUIET_MS);
    require_(came.size === 2 * COUNT, `came: ${[ ...came ]}`);
    await consumer.close();
  },

  // by level, not before its time
  async delay(name) {
    const early = [];
    const seen = new Set();
    const consumer = await consume(name, 'a', message => {
      if (Date.now() - Number(message.bornTimestamp) < 1800) early.push(message.body.toString());
      seen.add(message.body.toString());
    });
    await send(name, message => { message.delayTimeLevel = 2; });
    await until('every message', () => seen.size === COUNT);
    require_(early.length === 0, `early: ${early}`);
    await consumer.close();
  },

  // every member gets everything
  async broadcast(name) {
    const seen = [ new Set(), new Set() ];
    const members = await Promise.all(seen.map((bodies, i) =>
      consume(name, i, message => bodies.add(message.body.toString()), { isBroadcast: true })));
    await send(name);
    await until('every message at both members', () => seen.every(bodies => bodies.size === COUNT));
    await Promise.all(members.map(member => member.close()));
  },

  // topic and group have the name of the space in front of theirs
  async namespace(name) {
    const space = { namespace: 'space' };
    const seen = new Set();
    const consumer = await consume(name, 'a', message => seen.add(message.body.toString()), space);
    await send(name, () => {}, space);
    await until('every message', () => seen.size === COUNT);
    await consumer.close();
  },

  // two members share the queues
  async share(name) {
    const seen = [ [], [] ];
    const members = await Promise.all(seen.map((bodies, i) =>
      consume(name, i, message => bodies.push(message.body.toString()))));
    await until('two queues for each', () => members.every(member =>
      [ ...member.processQueueTable.keys() ].filter(key => key.includes(topicOf(name))).length === 2));
    await send(name);
    await until('every message', () => new Set(seen.flat()).size === COUNT);
    require_(seen.every(bodies => bodies.length > 0), `${seen.map(bodies => bodies.length)} came`);
    await Promise.all(members.map(member => member.close()));
  },
};

async function run(name) {
  try {
    await families[name](name);
    console.log(`family ${name} pass`);
  } catch (error) {
    console.log(`family ${name} fail ${error.message}`);
  }
}

setTimeout(() => process.exit(1), DEADLINE_MS).unref();
Promise.all(Object.keys(families).map(run)).then(() => process.exit(0));
