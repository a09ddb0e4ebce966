//! interop-rust NAMESRV TOPIC COUNT [AUTHORITY]: sends COUNT messages tagged red and blue in turn, and subscribes to the red ones.
//! With the path of an authority's certificate it speaks TLS, and only to servers whose certificates are the authority's.
//! Prints `sent KEY` and `received KEY TAG BODY LENGTH`; ends when the last red one came, with 1 after DEADLINE.

use std::collections::HashSet;
use std::error::Error;
use std::sync::mpsc::{channel, Sender};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rocketmq_client_rust::{
    ClientConfig, ClientResult, ClientRuntime, ClientRuntimeConfig, ConsumeConcurrentlyContext, ConsumeConcurrentlyStatus,
    DefaultMQProducer, DefaultMQPushConsumer, MQPushConsumer, MessageListenerConcurrently,
};
use rocketmq_model::common::consumer::consume_from_where::ConsumeFromWhere;
use rocketmq_model::common::message::message_ext::MessageExt;
use rocketmq_model::common::message::message_single::Message;
use rocketmq_observability::TelemetryRuntimeGuard;
use rocketmq_runtime::RuntimeOwner;

const DEADLINE: Duration = Duration::from_secs(60);
const SEND_TIMEOUT_MS: u64 = 5000;
const COMPRESSED_BYTES: usize = 8192; // above the client's limit for bodies that are sent as they are

struct Job {
    name_server: String,
    topic: String,
    count: usize,
    authority: Option<String>,
}

impl Job {
    fn config(&self) -> Result<ClientConfig, Box<dyn Error>> {
        let config = ClientConfig::builder().namesrv_addr(self.name_server.clone());
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
}

struct Listener {
    keys: Sender<String>,
}

impl MessageListenerConcurrently for Listener {
    fn consume_message(
        &self,
        messages: &[&MessageExt],
        _context: &ConsumeConcurrentlyContext,
    ) -> ClientResult<ConsumeConcurrentlyStatus> {
        for message in messages {
            let inner = message.message_inner();
            let key = inner.keys().unwrap_or_default().join(" ");
            let body = message.body().unwrap_or_default();
            let start = String::from_utf8_lossy(&body[..body.len().min(16)]).into_owned();
            println!("received {key} {} {start} {}", inner.tags().unwrap_or("-"), body.len());
            // the receiver is gone once it has all it waits for
            let _ = self.keys.send(key);
        }
        Ok(ConsumeConcurrentlyStatus::ConsumeSuccess)
    }
}

fn body_of(i: usize) -> String {
    if i % 10 == 0 {
        format!("{:x<COMPRESSED_BYTES$}", format!("body-{i}-"))
    } else {
        format!("body-{i}")
    }
}

async fn send(job: &Job, runtime: Arc<ClientRuntime>) -> Result<(), Box<dyn Error>> {
    let mut producer = DefaultMQProducer::builder(runtime)
        .producer_group("rust-senders")
        .client_config(job.config()?)
        .build();
    producer.start().await?;
    for i in 0..job.count {
        let message = Message::builder()
            .topic(job.topic.clone())
            .tags(if i % 2 == 0 { "red" } else { "blue" })
            .key(format!("key-{i}"))
            .body(body_of(i))
            .build()?;
        producer.send_with_timeout(message, SEND_TIMEOUT_MS).await?;
        println!("sent key-{i}");
    }
    producer.shutdown().await;
    Ok(())
}

async fn receive(job: &Job, runtime: Arc<ClientRuntime>) -> Result<(), Box<dyn Error>> {
    let (keys, arrivals) = channel();
    let mut consumer = DefaultMQPushConsumer::builder(runtime)
        .consumer_group("rust-readers")
        .client_config(job.config()?)
        .consume_from_where(ConsumeFromWhere::ConsumeFromFirstOffset)
        .build();
    consumer.subscribe(job.topic.clone(), "red").await?;
    consumer.register_message_listener_concurrently(Listener { keys });
    consumer.start().await?;
    let end = Instant::now() + DEADLINE;
    let mut seen = HashSet::new();
    while seen.len() < job.count.div_ceil(2) {
        let left = end.saturating_duration_since(Instant::now());
        seen.insert(arrivals.recv_timeout(left)?);
    }
    consumer.shutdown().await;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or("usage: interop-rust NAMESRV TOPIC COUNT [AUTHORITY]");
    let job = Job { name_server: next()?, topic: next()?, count: next()?.parse()?, authority: next().ok() };
    let owner = RuntimeOwner::new()?;
    let telemetry = TelemetryRuntimeGuard::noop();
    let runtime = ClientRuntime::try_new(
        owner.root_context().component("interop"),
        ClientRuntimeConfig::default(),
        telemetry.handle(),
    )?;
    let result = owner.block_on(async {
        let result = async {
            send(&job, runtime.clone()).await?;
            receive(&job, runtime.clone()).await
        }
        .await;
        runtime.shutdown().await;
        result
    });
    owner.shutdown_runtime_blocking()?;
    result
}
