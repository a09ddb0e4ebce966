//! families NAMESRV NAME: one family of messages or consumers that the client offers, on the topic `family-NAME`, which
//! is there. Prints `pass`, or ends with 1 and says why. What comes twice is allowed
//! for, as every consumer must.

use std::any::Any;
use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rocketmq_client_rust::{
    ClientConfig, ClientResult, ClientRuntime, ClientRuntimeConfig, ConsumeConcurrentlyContext, ConsumeConcurrentlyStatus,
    ConsumeOrderlyContext, ConsumeOrderlyStatus, DefaultMQProducer, DefaultMQPushConsumer, LocalTransactionState,
    MQPushConsumer, MessageListenerConcurrently, MessageListenerOrderly, MessageSelector, TransactionListener,
    TransactionMQProducer,
};
use rocketmq_model::common::consumer::consume_from_where::ConsumeFromWhere;
use rocketmq_model::common::message::message_builder::MessageBuilder;
use rocketmq_model::common::message::message_ext::MessageExt;
use rocketmq_model::common::message::message_single::Message;
use rocketmq_model::common::message::MessageTrait;
use rocketmq_observability::TelemetryRuntimeGuard;
use rocketmq_runtime::RuntimeOwner;

const DEADLINE: Duration = Duration::from_secs(60);
const QUIET: Duration = Duration::from_millis(2500); // what should not come, comes within
const SEND_TIMEOUT_MS: u64 = 5000;
const COUNT: usize = 20;
const WAIT_MS: u64 = 1800; // of those who wait 2 s: the two clocks are read at different times

type Outcome = Result<(), Box<dyn Error>>;

/// What came: the body's number, how often it was consumed before, and how many milliseconds after it was born.
#[derive(Clone)]
struct Came {
    number: usize,
    reconsumed: i32,
    after_ms: u64,
}

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Came>>>);

impl Seen {
    fn note(&self, message: &MessageExt) -> Came {
        let text = String::from_utf8_lossy(&message.body().unwrap_or_default()).into_owned();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        let came = Came {
            number: text.parse().unwrap_or(usize::MAX),
            reconsumed: message.reconsume_times(),
            after_ms: now.saturating_sub(message.born_timestamp() as u64),
        };
        self.0.lock().unwrap().push(came.clone());
        came
    }

    fn all(&self) -> Vec<Came> {
        self.0.lock().unwrap().clone()
    }

    /// Numbers, each with how often it was consumed before; what came twice counts once.
    fn kinds(&self) -> BTreeSet<(usize, i32)> {
        self.all().iter().map(|came| (came.number, came.reconsumed)).collect()
    }

    /// Waits until exactly these have come, and that nothing else does.
    fn wait_for(&self, wanted: BTreeSet<(usize, i32)>) -> Outcome {
        let end = Instant::now() + DEADLINE;
        while self.kinds() != wanted && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(50));
        }
        std::thread::sleep(QUIET);
        require(self.kinds() == wanted, format!("came {:?}, wanted {wanted:?}", self.kinds()))
    }
}

fn first_time(numbers: impl IntoIterator<Item = usize>) -> BTreeSet<(usize, i32)> {
    numbers.into_iter().map(|number| (number, 0)).collect()
}

impl MessageListenerConcurrently for Seen {
    fn consume_message(
        &self,
        messages: &[&MessageExt],
        _context: &ConsumeConcurrentlyContext,
    ) -> ClientResult<ConsumeConcurrentlyStatus> {
        for message in messages {
            self.note(message);
        }
        Ok(ConsumeConcurrentlyStatus::ConsumeSuccess)
    }
}

/// Refuses every tenth message the first time it comes.
struct Refusing(Seen);

impl MessageListenerConcurrently for Refusing {
    fn consume_message(
        &self,
        messages: &[&MessageExt],
        _context: &ConsumeConcurrentlyContext,
    ) -> ClientResult<ConsumeConcurrentlyStatus> {
        for message in messages {
            let came = self.0.note(message);
            if came.number % 10 == 7 && came.reconsumed == 0 {
                return Ok(ConsumeConcurrentlyStatus::ReconsumeLater);
            }
        }
        Ok(ConsumeConcurrentlyStatus::ConsumeSuccess)
    }
}

struct InOrder(Seen);

impl MessageListenerOrderly for InOrder {
    fn consume_message(
        &self,
        messages: &[&MessageExt],
        _context: &mut ConsumeOrderlyContext,
    ) -> ClientResult<ConsumeOrderlyStatus> {
        for message in messages {
            self.0.note(message);
        }
        Ok(ConsumeOrderlyStatus::Success)
    }
}

/// A third commits at once, a third rolls back, the rest is committed when the broker asks.
struct Thirds;

impl Thirds {
    fn state(number: usize, is_asked: bool) -> LocalTransactionState {
        match number % 3 {
            1 => LocalTransactionState::CommitMessage,
            2 => LocalTransactionState::RollbackMessage,
            _ if is_asked => LocalTransactionState::CommitMessage,
            _ => LocalTransactionState::Unknown,
        }
    }
}

impl TransactionListener for Thirds {
    fn execute_local_transaction(
        &self,
        message: &dyn MessageTrait,
        _arg: Option<&(dyn Any + Send + Sync)>,
    ) -> LocalTransactionState {
        let body = message.get_body().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        Thirds::state(body.and_then(|text| text.parse().ok()).unwrap_or(2), false)
    }

    fn check_local_transaction(&self, message: &MessageExt) -> LocalTransactionState {
        let text = String::from_utf8_lossy(&message.body().unwrap_or_default()).into_owned();
        Thirds::state(text.parse().unwrap_or(2), true)
    }
}

struct Family {
    name_server: String,
    name: String,
    runtime: Arc<ClientRuntime>,
}

impl Family {
    fn topic(&self) -> String {
        format!("family-{}", self.name)
    }

    fn config(&self) -> Result<ClientConfig, Box<dyn Error>> {
        Ok(ClientConfig::builder().namesrv_addr(self.name_server.clone()).build()?)
    }

    fn message(&self, i: usize) -> MessageBuilder {
        Message::builder().topic(self.topic()).tags(if i % 2 == 0 { "even" } else { "odd" }).body(i.to_string())
    }

    async fn producer(&self) -> Result<DefaultMQProducer, Box<dyn Error>> {
        let mut producer = DefaultMQProducer::builder(self.runtime.clone())
            .producer_group(format!("senders-{}", self.name))
            .client_config(self.config()?)
            .build();
        producer.start().await?;
        Ok(producer)
    }

    async fn send(&self, change: impl Fn(MessageBuilder, usize) -> MessageBuilder) -> Outcome {
        let mut producer = self.producer().await?;
        for i in 0..COUNT {
            producer.send_with_timeout(change(self.message(i), i).build()?, SEND_TIMEOUT_MS).await?;
        }
        producer.shutdown().await;
        Ok(())
    }

    /// Even numbers to one queue, odd ones to another.
    async fn send_in_order(&self) -> Outcome {
        let mut producer = self.producer().await?;
        for i in 0..COUNT {
            producer
                .send_with_selector(self.message(i).build()?, |queues, _, which| queues.get(*which).cloned(), i % 2)
                .await?;
        }
        producer.shutdown().await;
        Ok(())
    }

    /// The producer is given back: it must be there to be asked.
    async fn send_in_transactions(&self) -> Result<TransactionMQProducer, Box<dyn Error>> {
        let mut producer = TransactionMQProducer::builder(self.runtime.clone())
            .producer_group(format!("senders-{}", self.name))
            .client_config(self.config()?)
            .topics(vec![self.topic()])
            .transaction_listener(Thirds)
            .build();
        producer.start().await?;
        for i in 0..COUNT {
            producer.send_message_in_transaction::<(), _>(self.message(i).build()?, None).await?;
        }
        Ok(producer)
    }

    fn consumer(&self) -> Result<DefaultMQPushConsumer, Box<dyn Error>> {
        Ok(DefaultMQPushConsumer::builder(self.runtime.clone())
            .consumer_group(format!("readers-{}", self.name))
            .client_config(self.config()?)
            .consume_from_where(ConsumeFromWhere::ConsumeFromFirstOffset)
            .build())
    }

    async fn run(&self) -> Outcome {
        let seen = Seen::default();
        let mut consumer = self.consumer()?;
        let selector = (self.name == "sql").then(|| MessageSelector::by_sql("TAGS = 'even' AND number BETWEEN 0 AND 11 OR number = 13"));
        match selector {
            Some(_) => consumer.subscribe_with_selector(&self.topic(), selector).await?,
            None => consumer.subscribe(self.topic(), "*").await?,
        }
        match self.name.as_str() {
            "retry" => consumer.register_message_listener_concurrently(Refusing(seen.clone())),
            "orderly" => consumer.register_message_listener_orderly(InOrder(seen.clone())),
            _ => consumer.register_message_listener_concurrently(seen.clone()),
        }
        consumer.start().await?;
        let all = first_time(0..COUNT);
        match self.name.as_str() {
            "retry" => {
                self.send(|message, _| message).await?;
                seen.wait_for(&all | &BTreeSet::from([(7, 1), (17, 1)]))?;
            }
            "orderly" => {
                self.send_in_order().await?;
                seen.wait_for(all)?;
                let mut last = HashMap::new(); // by queue: none is left out on the way
                for came in seen.all() {
                    let next = last.entry(came.number % 2).or_insert(came.number % 2);
                    require(came.number <= *next, format!("{} came before {next}", came.number))?;
                    *next = (*next).max(came.number + 2);
                }
            }
            "sql" => {
                self.send(|message, i| message.raw_property("number", i.to_string()).expect("no reserved name")).await?;
                seen.wait_for(first_time([0, 2, 4, 6, 8, 10, 13]))?;
            }
            "delay" | "timer" => {
                let is_timer = self.name == "timer";
                self.send(|message, _| if is_timer { message.delay_millis(2000) } else { message.delay_level(2) }).await?;
                seen.wait_for(all)?;
                let early = seen.all().iter().filter(|came| came.after_ms < WAIT_MS).count();
                require(early == 0, format!("{early} came early"))?;
            }
            "transaction" => {
                let mut producer = self.send_in_transactions().await?;
                seen.wait_for(first_time((0..COUNT).filter(|i| i % 3 != 2)))?;
                producer.shutdown().await;
            }
            other => return Err(format!("no family {other}").into()),
        }
        consumer.shutdown().await;
        Ok(())
    }
}

fn require(holds: bool, what: String) -> Outcome {
    if holds {
        Ok(())
    } else {
        Err(what.into())
    }
}

fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or("usage: families NAMESRV NAME");
    let (name_server, name) = (next()?, next()?);
    let owner = RuntimeOwner::new()?;
    let telemetry = TelemetryRuntimeGuard::noop();
    let runtime = ClientRuntime::try_new(
        owner.root_context().component("families"),
        ClientRuntimeConfig::default(),
        telemetry.handle(),
    )?;
    let family = Family { name_server, name, runtime: runtime.clone() };
    let result = owner.block_on(async {
        let result = family.run().await;
        runtime.shutdown().await;
        result
    });
    owner.shutdown_runtime_blocking()?;
    result?;
    println!("pass");
    Ok(())
}
