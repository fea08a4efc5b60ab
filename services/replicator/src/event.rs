//! What a bucket tells of its objects, as its notification queue brings it: S3's event message structure 2.x.

use percent_encoding::percent_decode_str;
use serde::Deserialize;

/// What a message of a notification queue says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    /// S3 tries out a new notification; there is nothing to do.
    Test,
    /// Changes of objects.
    Changes(Vec<Change>),
}

/// One change of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// The bucket's name.
    pub bucket: String,
    /// The object's key, decoded.
    pub key: String,
    /// The version that the change made; absent where the bucket keeps no versions.
    pub version: Option<String>,
    /// When it happened, as S3 writes it (RFC 3339).
    pub at: String,
}

/// Why a message is none of S3's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadNotice {
    #[error("the message is no S3 event: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the key {0:?} is no UTF-8 once decoded")]
    Key(String),
}

#[derive(Deserialize)]
struct Body {
    #[serde(rename = "Event")]
    event: Option<String>,
    #[serde(rename = "Records", default)]
    records: Option<Vec<Record>>,
}

#[derive(Deserialize)]
struct Record {
    #[serde(rename = "eventTime", default)]
    event_time: String,
    s3: Entity,
}

#[derive(Deserialize)]
struct Entity {
    bucket: Bucket,
    object: Object,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Deserialize)]
struct Object {
    key: String,
    #[serde(rename = "versionId")]
    version: Option<String>,
}

impl Notice {
    /// Reads a message's body.
    pub(crate) fn parse(body: &str) -> Result<Self, BadNotice> {
        let body: Body = serde_json::from_str(body)?;
        let Some(records) = body.records else {
            if body.event.as_deref() == Some("s3:TestEvent") {
                return Ok(Self::Test);
            }
            return Err(BadNotice::Json(serde::de::Error::missing_field("Records")));
        };
        let changes = records.into_iter().map(|record| {
            Ok(Change {
                bucket: record.s3.bucket.name,
                key: decode_key(&record.s3.object.key)?,
                version: record.s3.object.version.filter(|id| id != "null"),
                at: record.event_time,
            })
        });
        Ok(Self::Changes(changes.collect::<Result<_, BadNotice>>()?))
    }
}

/// Keys come as in a query string: `%XX`, and a space as `+`.
pub(crate) fn decode_key(text: &str) -> Result<String, BadNotice> {
    let spaces = text.replace('+', " ");
    let decoded = percent_decode_str(&spaces).decode_utf8();
    decoded
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| BadNotice::Key(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    fn body(key: &str) -> String {
        format!(
            r#"{{"Records":[{{"eventVersion":"2.1","eventName":"ObjectCreated:Put","eventTime":"2026-01-02T03:04:05.678Z",
            "s3":{{"bucket":{{"name":"audit","arn":"arn:aws:s3:::audit"}},
            "object":{{"key":"{key}","size":1,"versionId":"v1","sequencer":"00"}}}}}}]}}"#
        )
    }

    fn only(body: &str) -> Change {
        let Notice::Changes(mut changes) = Notice::parse(body).unwrap() else {
            panic!("no changes in {body}");
        };
        assert_eq!(changes.len(), 1);
        changes.remove(0)
    }

    #[test]
    fn a_put_tells_bucket_key_and_version() {
        let change = only(&body("a%2Fb+c%2Bd%C3%BC"));
        assert_eq!(
            (
                change.bucket.as_str(),
                change.key.as_str(),
                change.version.as_deref()
            ),
            ("audit", "a/b c+dü", Some("v1"))
        );
    }

    #[test]
    fn the_test_event_is_nothing_to_do() {
        let body = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"audit"}"#;
        assert_eq!(Notice::parse(body).unwrap(), Notice::Test);
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for body in [
            "",
            "hello",
            "[]",
            "{}",
            r#"{"Records":[{}]}"#,
            r#"{"Records":[{"s3":{}}]}"#,
        ] {
            assert!(Notice::parse(body).is_err(), "{body}");
        }
        assert!(Notice::parse(&body("%FF")).is_err());
    }

    proptest! {
        #[test]
        fn every_key_survives_its_encoding(key in ".{1,60}") {
            let encoded = utf8_percent_encode(&key, NON_ALPHANUMERIC).to_string();
            prop_assert_eq!(only(&body(&encoded)).key, key);
        }
    }
}
