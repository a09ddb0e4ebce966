'use strict';
// node job.js NAMESRV TOPIC COUNT: sends COUNT messages tagged red and blue in turn, and subscribes to the red ones.
// Prints `sent KEY` and `received KEY TAG BODY`; ends when the last red one came, with 1 after DEADLINE_MS.

const { Consumer, Message, Producer } = require('ali-ons');

const DEADLINE_MS = 60000;
const COMPRESSED_BYTES = 8192; // above the client's limit for bodies that are sent as they are
const [nameSrv, topic, countText] = process.argv.slice(2);
const count = Number(countText);
const quiet = { debug() {}, info() {}, warn: console.error, error: console.error };
const options = {
  nameSrv,
  httpclient: {}, // asked for addresses only where no name server is named
  logger: quiet,
  rebalanceInterval: 1000,
  persistConsumerOffsetInterval: 1000,
};

const bodyOf = i => (i % 10 === 0 ? `body-${i}-`.padEnd(COMPRESSED_BYTES, 'x') : `body-${i}`);

async function send() {
  const producer = new Producer({ ...options, producerGroup: 'node-senders' });
  await producer.ready();
  for (let i = 0; i < count; i++) {
    const message = new Message(topic, i % 2 === 0 ? 'red' : 'blue', bodyOf(i));
    message.keys = [ `key-${i}` ];
    const result = await producer.send(message);
    if (result.sendStatus !== 'SEND_OK') throw new Error(`message ${i}: ${result.sendStatus}`);
    console.log(`sent key-${i}`);
  }
  return producer;
}

function receive() {
  const consumer = new Consumer({
    ...options,
    consumerGroup: 'node-readers',
    consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
  });
  const seen = new Set();
  return new Promise(resolve => {
    consumer.on('error', error => console.error(error));
    consumer.subscribe(topic, 'red', async message => {
      const body = message.body.toString();
      console.log(`received ${message.keys} ${message.tags} ${body.slice(0, 16)} ${body.length}`);
      seen.add(message.keys);
      if (seen.size === Math.ceil(count / 2)) resolve(consumer);
    });
  });
}

async function main() {
  setTimeout(() => process.exit(1), DEADLINE_MS).unref();
  const producer = await send();
  const consumer = await receive();
  await consumer.close();
  await producer.close();
  process.exit(0);
}

main().catch(error => {
  console.error(error);
  process.exit(1);
});
