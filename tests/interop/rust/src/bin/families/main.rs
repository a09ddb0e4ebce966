//! families NAMESRV NAME [AUTHORITY]: one family of messages or consumers that the client offers, on the topic `family-NAME`,
//! which is there (`fresh` makes its own). With the path of an authority's certificate it speaks TLS, and only to servers of that authority.
//! Prints `pass`, or ends with 1 and says why. What comes twice is allowed for, as every consumer must.

mod seen;

use std::any::Any;
use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::sync::mpsc::{channel, Receiver};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rocketmq_client_rust::{
    ClientConfig, ClientError, ClientRuntime, ClientRuntimeConfig, DefaultLitePullConsumer, DefaultMQProducer,
    DefaultMQPushConsumer, DefaultMQPushConsumerBuilder, LocalTransactionState, MQPushConsumer, MessageSelector, SendResult,
    TransactionListener, TransactionMQProducer,
};
use rocketmq_model::common::consumer::consume_from_where::ConsumeFromWhere;
use rocketmq_model::common::message::message_builder::MessageBuilder;
use rocketmq_model::common::message::message_ext::MessageExt;
use rocketmq_model::common::message::message_single::Message;
use rocketmq_model::common::message::MessageTrait;
use rocketmq_observability::TelemetryRuntimeGuard;
use rocketmq_protocol::protocol::heartbeat::message_model::MessageModel;
use rocketmq_runtime::RuntimeOwner;

use seen::{
    first_time, now_ms, require, text_of, wait_until, Answering, InOrder, Outcome, Refusing, Seen, Unwilling, DEADLINE,
};

const SEND_TIMEOUT_MS: u64 = 5000;
const ANSWER_TIMEOUT_MS: u64 = 10_000;
const COUNT: usize = 20;
const WAIT_MS: u64 = 1800; // of those who wait 2 s: the two clocks are read at different times
const TRACE_TOPIC: &str = "RMQ_SYS_TRACE_TOPIC";

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
        Thirds::state(text_of(message).parse().unwrap_or(2), true)
    }
}

struct Family {
    name_server: String,
    name: String,
    authority: Option<String>,
    runtime: Arc<ClientRuntime>,
}

impl Family {
    fn topic(&self) -> String {
        format!("family-{}", self.name)
    }

    fn config(&self, member: &str) -> Result<ClientConfig, Box<dyn Error>> {
        let config = ClientConfig::builder()
            .namesrv_addr(self.name_server.clone())
            .instance_name(format!("{}-{member}", self.name))
            .enable_trace(self.name == "trace" && member == "sender");
        let config = if self.name == "namespace" { config.namespace("space") } else { config };
        Ok(match &self.authority {
            None => config,
            Some(path) => config
                .enable_tls(true)
                .tls_test_mode_enable(false)
                .tls_client_auth_server(true)
                .tls_client_trust_cert_path(path.clone()),
        }
        .build()?)
    }

    fn message(&self, i: usize) -> MessageBuilder {
        let tag = if i % 2 == 0 { "even" } else { "odd" };
        Message::builder().topic(self.topic()).tags(tag).key(format!("key-{i}")).body(i.to_string())
    }

    async fn producer(&self, member: &str) -> Result<DefaultMQProducer, Box<dyn Error>> {
        let mut producer = DefaultMQProducer::builder(self.runtime.clone())
            .producer_group(format!("senders-{}", self.name))
            .client_config(self.config(member)?)
            .build();
        producer.start().await?;
        Ok(producer)
    }

    async fn send(&self, change: impl Fn(MessageBuilder, usize) -> MessageBuilder) -> Outcome {
        let mut producer = self.producer("sender").await?;
        for i in 0..COUNT {
            producer.send_with_timeout(change(self.message(i), i).build()?, SEND_TIMEOUT_MS).await?;
        }
        producer.shutdown().await;
        Ok(())
    }

    fn consumer_builder(&self, member: &str) -> Result<DefaultMQPushConsumerBuilder, Box<dyn Error>> {
        Ok(DefaultMQPushConsumer::builder(self.runtime.clone())
            .consumer_group(format!("readers-{}", self.name))
            .client_config(self.config(member)?)
            .consume_from_where(ConsumeFromWhere::ConsumeFromFirstOffset))
    }

    /// A started consumer that notes what comes.
    async fn reader(&self, builder: DefaultMQPushConsumerBuilder, seen: &Seen) -> Result<DefaultMQPushConsumer, Box<dyn Error>> {
        let mut consumer = builder.build();
        consumer.subscribe(self.topic(), "*").await?;
        consumer.register_message_listener_concurrently(seen.clone());
        consumer.start().await?;
        Ok(consumer)
    }

    // ---- the families ----

    /// What is sent comes, all of it and nothing else.
    async fn all_come(&self, change: impl Fn(MessageBuilder, usize) -> MessageBuilder) -> Result<Seen, Box<dyn Error>> {
        let seen = Seen::default();
        let mut consumer = self.reader(self.consumer_builder("a")?, &seen).await?;
        self.send(change).await?;
        seen.wait_for(first_time(0..COUNT))?;
        consumer.shutdown().await;
        Ok(seen)
    }

    async fn later(&self, change: impl Fn(MessageBuilder, usize) -> MessageBuilder) -> Outcome {
        let seen = self.all_come(change).await?;
        let early = seen.all().iter().filter(|came| came.after_ms < WAIT_MS).count();
        require(early == 0, format!("{early} came early"))
    }

    async fn retry(&self, is_by_pop: bool) -> Outcome {
        let seen = Seen::default();
        let mut consumer = self.consumer_builder("a")?.client_rebalance(!is_by_pop).build();
        consumer.subscribe(self.topic(), "*").await?;
        consumer.register_message_listener_concurrently(Refusing(seen.clone()));
        consumer.start().await?;
        self.send(|message, _| message).await?;
        seen.wait_for(&first_time(0..COUNT) | &BTreeSet::from([(7, 1), (17, 1)]))?;
        require(seen.all().iter().all(|came| came.is_popped == is_by_pop), "some came the other way".into())?;
        consumer.shutdown().await;
        Ok(())
    }

    /// A refused message that is used up is a dead letter, and comes no more.
    async fn dead_letter(&self) -> Outcome {
        let seen = Seen::default();
        let mut consumer = self.consumer_builder("a")?.max_reconsume_times(1).build();
        consumer.subscribe(self.topic(), "*").await?;
        consumer.register_message_listener_concurrently(Unwilling(seen.clone()));
        consumer.start().await?;
        self.send(|message, _| message).await?;
        seen.wait_for((0..COUNT).flat_map(|number| [(number, 0), (number, 1)]).collect())?;
        consumer.shutdown().await;
        Ok(())
    }

    /// Even numbers to one queue, odd ones to another; none is left out on the way.
    async fn orderly(&self) -> Outcome {
        let seen = Seen::default();
        let mut consumer = self.consumer_builder("a")?.build();
        consumer.subscribe(self.topic(), "*").await?;
        consumer.register_message_listener_orderly(InOrder(seen.clone()));
        consumer.start().await?;
        let mut producer = self.producer("sender").await?;
        for i in 0..COUNT {
            producer
                .send_with_selector(self.message(i).build()?, |queues, _, which| queues.get(*which).cloned(), i % 2)
                .await?;
        }
        producer.shutdown().await;
        seen.wait_for(first_time(0..COUNT))?;
        let mut last = HashMap::new(); // by queue
        for came in seen.all() {
            let next = last.entry(came.number % 2).or_insert(came.number % 2);
            require(came.number <= *next, format!("{} came before {next}", came.number))?;
            *next = (*next).max(came.number + 2);
        }
        consumer.shutdown().await;
        Ok(())
    }

    async fn sql(&self) -> Outcome {
        let seen = Seen::default();
        let selector = MessageSelector::by_sql("TAGS = 'even' AND number BETWEEN 0 AND 11 OR number = 13");
        let mut consumer = self.consumer_builder("a")?.build();
        consumer.subscribe_with_selector(&self.topic(), Some(selector)).await?;
        consumer.register_message_listener_concurrently(seen.clone());
        consumer.start().await?;
        self.send(|message, i| message.raw_property("number", i.to_string()).expect("no reserved name")).await?;
        seen.wait_for(first_time([0, 2, 4, 6, 8, 10, 13]))?;
        consumer.shutdown().await;
        Ok(())
    }

    /// Each member gets every message.
    async fn broadcast(&self) -> Outcome {
        let all = [Seen::default(), Seen::default()];
        let mut members = Vec::new();
        for (seen, member) in all.iter().zip(["a", "b"]) {
            let builder = self.consumer_builder(member)?.message_model(MessageModel::Broadcasting);
            members.push(self.reader(builder, seen).await?);
        }
        self.send(|message, _| message).await?;
        for seen in &all {
            seen.wait_for(first_time(0..COUNT))?;
        }
        for mut member in members {
            member.shutdown().await;
        }
        Ok(())
    }

    /// The producer stays: it must be there to be asked.
    async fn transaction(&self) -> Outcome {
        let seen = Seen::default();
        let mut consumer = self.reader(self.consumer_builder("a")?, &seen).await?;
        let mut producer = TransactionMQProducer::builder(self.runtime.clone())
            .producer_group(format!("senders-{}", self.name))
            .client_config(self.config("sender")?)
            .topics(vec![self.topic()])
            .transaction_listener(Thirds)
            .build();
        producer.start().await?;
        for i in 0..COUNT {
            producer.send_message_in_transaction::<(), _>(self.message(i).build()?, None).await?;
        }
        seen.wait_for(first_time((0..COUNT).filter(|i| i % 3 != 2)))?;
        producer.shutdown().await;
        consumer.shutdown().await;
        Ok(())
    }

    /// All in one request.
    async fn batch(&self) -> Outcome {
        let seen = Seen::default();
        let mut consumer = self.reader(self.consumer_builder("a")?, &seen).await?;
        let mut producer = self.producer("sender").await?;
        let messages = (0..COUNT).map(|i| self.message(i).build()).collect::<Result<Vec<_>, _>>()?;
        producer.send_batch_with_timeout(messages, SEND_TIMEOUT_MS).await?;
        producer.shutdown().await;
        seen.wait_for(first_time(0..COUNT))?;
        consumer.shutdown().await;
        Ok(())
    }

    /// One third each: one-way, with a callback, to a queue of its own choice with a callback.
    async fn unwaited(&self) -> Outcome {
        let seen = Seen::default();
        let mut consumer = self.reader(self.consumer_builder("a")?, &seen).await?;
        let mut producer = self.producer("sender").await?;
        let queue = producer.fetch_publish_message_queues(&self.topic()).await?.first().cloned().ok_or("no queue")?;
        let (answers, answered) = channel();
        for i in 0..COUNT {
            let message = self.message(i).build()?;
            let answers = answers.clone();
            let tell = move |sent: Option<&SendResult>, _: Option<&ClientError>| drop(answers.send(sent.is_some()));
            match i % 3 {
                0 => producer.send_oneway(message).await?,
                1 => producer.send_with_callback_timeout(message, tell, SEND_TIMEOUT_MS).await?,
                _ => producer.send_to_queue_with_callback_timeout(message, queue.clone(), tell, SEND_TIMEOUT_MS).await?,
            }
        }
        drop(answers);
        seen.wait_for(first_time(0..COUNT))?;
        producer.shutdown().await;
        let answers = answered.try_iter().collect::<Vec<_>>();
        require(answers == vec![true; COUNT - COUNT.div_ceil(3)], format!("answers: {answers:?}"))?;
        consumer.shutdown().await;
        Ok(())
    }

    /// A topic that the first send makes.
    async fn fresh(&self) -> Outcome {
        self.send(|message, _| message).await?;
        let seen = Seen::default();
        let mut consumer = self.reader(self.consumer_builder("a")?, &seen).await?;
        seen.wait_for(first_time(0..COUNT))?;
        consumer.shutdown().await;
        Ok(())
    }

    /// Stays until the offsets were set back: everything comes twice, and what was handed to it directly once more.
    async fn asked(&self) -> Outcome {
        let seen = Seen::default();
        let mut consumer = self.reader(self.consumer_builder("a")?, &seen).await?;
        self.send(|message, _| message).await?;
        let count = |number| seen.all().iter().filter(|came| came.number == number).count();
        let is_done = wait_until(|| (0..COUNT).all(|number| count(number) >= 2) && count(0) >= 3);
        require(is_done, format!("came {:?}", (0..COUNT).map(count).collect::<Vec<_>>()))?;
        consumer.shutdown().await;
        Ok(())
    }

    /// Of messages that are due later, those that are recalled do not come.
    async fn recall(&self) -> Outcome {
        let seen = Seen::default();
        let mut consumer = self.reader(self.consumer_builder("a")?, &seen).await?;
        let mut producer = self.producer("sender").await?;
        for i in 0..COUNT {
            let sent = producer.send_with_timeout(self.message(i).delay_millis(6000).build()?, SEND_TIMEOUT_MS).await?;
            let handle = sent.as_ref().and_then(|sent| sent.recall_handle()).ok_or("no handle in the answer")?;
            if i % 2 == 0 {
                producer.recall_message(self.topic(), handle).await?;
            }
        }
        seen.wait_for(first_time((0..COUNT).filter(|i| i % 2 == 1)))?;
        producer.shutdown().await;
        consumer.shutdown().await;
        Ok(())
    }

    /// The consumer answers, and each request gives its answer. One that was lost on the way is asked again.
    async fn request_reply(&self) -> Outcome {
        let (answers, to_send) = channel();
        let mut consumer = self.consumer_builder("a")?.build();
        consumer.subscribe(self.topic(), "*").await?;
        consumer.register_message_listener_concurrently(Answering(Mutex::new(answers)));
        consumer.start().await?;
        let asker = self.producer("asker").await?;
        let ask = async {
            for i in 0..COUNT {
                let end = Instant::now() + DEADLINE;
                let answer = loop {
                    match asker.request(self.message(i).build()?, ANSWER_TIMEOUT_MS).await {
                        Err(error) if Instant::now() > end => return Err(error.into()),
                        Err(_) => (),
                        Ok(answer) => break answer,
                    }
                };
                let text = answer.get_body().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
                require(text == Some(format!("re: {i}")), format!("answer {i}: {text:?}"))?;
            }
            Ok::<(), Box<dyn Error>>(())
        };
        tokio::select! {
            asked = ask => asked?,
            sent = self.send_answers(to_send) => sent?,
        }
        consumer.shutdown().await;
        Ok(())
    }

    /// Until it is dropped.
    async fn send_answers(&self, answers: Receiver<Message>) -> Outcome {
        let producer = self.producer("answerer").await?;
        loop {
            match answers.try_recv() {
                Ok(answer) => drop(producer.send_with_timeout(answer, SEND_TIMEOUT_MS).await?),
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }

    /// Polls, commits, and a second consumer of the group goes on behind it.
    async fn lite_pull(&self) -> Outcome {
        self.send(|message, _| message).await?;
        let first = self.poll_until("first", |numbers| *numbers == (0..COUNT).collect()).await?;
        require(first.len() == COUNT, format!("polled {first:?}"))?;
        let mut producer = self.producer("sender").await?;
        producer.send_with_timeout(self.message(COUNT).build()?, SEND_TIMEOUT_MS).await?;
        producer.shutdown().await;
        let second = self.poll_until("second", |numbers| !numbers.is_empty()).await?;
        require(second == BTreeSet::from([COUNT]), format!("went on with {second:?}"))
    }

    async fn poll_until(
        &self,
        member: &str,
        is_enough: impl Fn(&BTreeSet<usize>) -> bool,
    ) -> Result<BTreeSet<usize>, Box<dyn Error>> {
        let consumer = DefaultLitePullConsumer::builder(self.runtime.clone())
            .client_options(self.config(member)?.into())
            .use_tls(self.authority.is_some()) // else it takes that out of the options
            .consumer_group(format!("readers-{}", self.name))
            .consume_from_where(ConsumeFromWhere::ConsumeFromFirstOffset)
            .auto_commit(false)
            .build()?;
        consumer.subscribe_with_expression(&self.topic(), "*").await?;
        consumer.start().await?;
        let mut numbers = BTreeSet::new();
        let end = Instant::now() + DEADLINE;
        while !is_enough(&numbers) && Instant::now() < end {
            for message in consumer.poll_with_timeout(200).await {
                numbers.insert(text_of(&message).parse()?);
            }
        }
        consumer.commit_all().await?;
        consumer.shutdown().await;
        Ok(numbers)
    }

    /// By key, by the two ids an answer has, and the ends of a queue.
    async fn query(&self) -> Outcome {
        let mut producer = self.producer("sender").await?;
        let begin_ms = now_ms() - 60_000;
        let sent = producer.send_with_timeout(self.message(7).build()?, SEND_TIMEOUT_MS).await?.ok_or("no answer")?;
        let place = sent.offset_msg_id.clone().ok_or("no place in the answer")?;
        require(text_of(&producer.view_message(&self.topic(), &place).await?) == "7", "another message by its place".into())?;
        let end = Instant::now() + DEADLINE;
        loop {
            match producer.query_message(&self.topic(), "key-7", 32, begin_ms, now_ms() + 60_000).await {
                Ok(found) => {
                    let texts = found.message_list().iter().map(text_of).collect::<Vec<_>>();
                    require(texts == ["7"], format!("by key: {texts:?}"))?;
                    break;
                }
                Err(error) if Instant::now() > end => return Err(error.into()),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await, // the index comes behind the log
            }
        }
        let id = sent.msg_id.clone().ok_or("no id in the answer")?;
        require(text_of(&producer.view_message(&self.topic(), &id).await?) == "7", "another message by its id".into())?;
        let queue = sent.message_queue.clone().ok_or("no queue in the answer")?;
        let ends = (producer.min_offset(&queue).await?, producer.max_offset(&queue).await?);
        require(ends == (0, 1), format!("ends of the queue: {ends:?}"))?;
        require(producer.search_offset(&queue, begin_ms).await? == 0, "by time".into())?;
        producer.shutdown().await;
        Ok(())
    }

    /// What a producer with tracing did lies in the trace topic.
    async fn trace(&self) -> Outcome {
        let seen = Seen::default();
        let mut consumer = self.consumer_builder("a")?.build();
        consumer.subscribe(TRACE_TOPIC, "*").await?;
        consumer.register_message_listener_concurrently(seen.clone());
        consumer.start().await?;
        let mut producer = self.producer("sender").await?;
        let sent = producer.send_with_timeout(self.message(0).build()?, SEND_TIMEOUT_MS).await?.ok_or("no answer")?;
        let id = sent.msg_id.clone().ok_or("no id in the answer")?.to_string();
        let is_traced = wait_until(|| seen.all().iter().any(|came| came.text.contains(&id) && came.text.contains(&self.topic())));
        require(is_traced, format!("no trace of {id}"))?;
        producer.shutdown().await;
        consumer.shutdown().await;
        Ok(())
    }

    async fn run(&self) -> Outcome {
        match self.name.as_str() {
            "retry" => self.retry(false).await,
            "pop" => self.retry(true).await,
            "deadletter" => self.dead_letter().await,
            "orderly" => self.orderly().await,
            "sql" => self.sql().await,
            "delay" => self.later(|message, _| message.delay_level(2)).await,
            "timer" => self.later(|message, _| message.delay_millis(2000)).await,
            "recall" => self.recall().await,
            "transaction" => self.transaction().await,
            "broadcast" => self.broadcast().await,
            "batch" => self.batch().await,
            "unwaited" => self.unwaited().await,
            "fresh" => self.fresh().await,
            "asked" => self.asked().await,
            "requestreply" => self.request_reply().await,
            "litepull" => self.lite_pull().await,
            "query" => self.query().await,
            "trace" => self.trace().await,
            "namespace" => self.all_come(|message, _| message).await.map(drop),
            other => Err(format!("no family {other}").into()),
        }
    }
}

fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or("usage: families NAMESRV NAME [AUTHORITY]");
    let (name_server, name, authority) = (next()?, next()?, next().ok());
    let owner = RuntimeOwner::new()?;
    let telemetry = TelemetryRuntimeGuard::noop();
    let runtime = ClientRuntime::try_new(
        owner.root_context().component("families"),
        ClientRuntimeConfig::default(),
        telemetry.handle(),
    )?;
    let family = Family { name_server, name, authority, runtime: runtime.clone() };
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
