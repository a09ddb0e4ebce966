//! What came to a consumer, and the listeners that note it.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rocketmq_client_rust::{
    ClientResult, ConsumeConcurrentlyContext, ConsumeConcurrentlyStatus, ConsumeOrderlyContext, ConsumeOrderlyStatus,
    MessageListenerConcurrently, MessageListenerOrderly, MessageUtil,
};
use rocketmq_model::common::message::message_ext::MessageExt;
use rocketmq_model::common::message::message_single::Message;
use rocketmq_model::common::message::MessageTrait;

pub const DEADLINE: Duration = Duration::from_secs(60);
const QUIET: Duration = Duration::from_millis(2500); // what should not come, comes within

pub type Outcome = Result<(), Box<dyn Error>>;

pub fn require(holds: bool, what: String) -> Outcome {
    if holds {
        Ok(())
    } else {
        Err(what.into())
    }
}

pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

pub fn text_of(message: &MessageExt) -> String {
    String::from_utf8_lossy(&message.body().unwrap_or_default()).into_owned()
}

/// The body, the number it is, how often it was consumed before, how many milliseconds after it was born, and whether it was popped.
#[derive(Clone)]
pub struct Came {
    pub text: String,
    pub number: usize,
    pub reconsumed: i32,
    pub after_ms: u64,
    pub is_popped: bool,
}

#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<Vec<Came>>>);

impl Seen {
    pub fn note(&self, message: &MessageExt) -> Came {
        let text = text_of(message);
        let came = Came {
            number: text.parse().unwrap_or(usize::MAX),
            text,
            reconsumed: message.reconsume_times(),
            after_ms: now_ms().saturating_sub(message.born_timestamp() as u64),
            is_popped: message.property(&"POP_CK".into()).is_some(),
        };
        self.0.lock().unwrap().push(came.clone());
        came
    }

    pub fn all(&self) -> Vec<Came> {
        self.0.lock().unwrap().clone()
    }

    /// Numbers, each with how often it was consumed before; what came twice counts once.
    pub fn kinds(&self) -> BTreeSet<(usize, i32)> {
        self.all().iter().map(|came| (came.number, came.reconsumed)).collect()
    }

    /// Waits until exactly these have come, and that nothing else does.
    pub fn wait_for(&self, wanted: BTreeSet<(usize, i32)>) -> Outcome {
        wait_until(|| self.kinds() == wanted);
        std::thread::sleep(QUIET);
        require(self.kinds() == wanted, format!("came {:?}, wanted {wanted:?}", self.kinds()))
    }
}

/// Whether it came to hold before DEADLINE.
pub fn wait_until(holds: impl Fn() -> bool) -> bool {
    let end = Instant::now() + DEADLINE;
    while !holds() {
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    true
}

pub fn first_time(numbers: impl IntoIterator<Item = usize>) -> BTreeSet<(usize, i32)> {
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
pub struct Refusing(pub Seen);

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

/// Refuses everything.
pub struct Unwilling(pub Seen);

impl MessageListenerConcurrently for Unwilling {
    fn consume_message(
        &self,
        messages: &[&MessageExt],
        _context: &ConsumeConcurrentlyContext,
    ) -> ClientResult<ConsumeConcurrentlyStatus> {
        for message in messages {
            self.0.note(message);
        }
        Ok(ConsumeConcurrentlyStatus::ReconsumeLater)
    }
}

/// Makes an answer to each request, for somebody else to send.
pub struct Answering(pub Mutex<Sender<Message>>);

impl MessageListenerConcurrently for Answering {
    fn consume_message(
        &self,
        messages: &[&MessageExt],
        _context: &ConsumeConcurrentlyContext,
    ) -> ClientResult<ConsumeConcurrentlyStatus> {
        for message in messages {
            let body = format!("re: {}", text_of(message));
            let answer = MessageUtil::create_reply_message(message.message_inner(), body.as_bytes())?;
            let _ = self.0.lock().unwrap().send(answer); // the family may have ended
        }
        Ok(ConsumeConcurrentlyStatus::ConsumeSuccess)
    }
}

pub struct InOrder(pub Seen);

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
