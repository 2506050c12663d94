//! Signatures of requests: AWS Signature Version 4, in the field `Authorization`.

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::hash::sha256;
use crate::sys::without_traces;

/// What is signed with, and for.
pub(super) struct Signer<'a> {
    pub(super) access_key: &'a str,
    pub(super) secret_key: &'a str,
    pub(super) region: &'a str,
}

/// What is signed of a request.
pub(super) struct Signed<'a> {
    pub(super) method: &'a str,
    /// The path, encoded as it is sent.
    pub(super) path: &'a str,
    /// The query, encoded as it is sent, by names in ascending order.
    pub(super) query: &'a str,
    /// Names in lower case, in ascending order, and values.
    pub(super) headers: &'a [(&'a str, &'a str)],
    /// The time, as `x-amz-date` has it.
    pub(super) date: &'a str,
    /// The hash of the body, as `x-amz-content-sha256` has it.
    pub(super) payload: &'a str,
}

impl Signer<'_> {
    /// The value of `Authorization`.
    pub(super) fn authorization(&self, signed: &Signed<'_>) -> String {
        let mut fields = String::new();
        for (name, value) in signed.headers {
            let _ = writeln!(fields, "{name}:{}", value.trim());
        }
        let names: Vec<_> = signed.headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let Signed { method, path, query, payload, date, .. } = signed;
        let request = format!("{method}\n{path}\n{query}\n{fields}\n{names}\n{payload}");
        let day = &date[..date.len().min(8)];
        let scope = format!("{day}/{}/s3/aws4_request", self.region);
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", sha256(request.as_bytes()));
        let signature = without_traces(|| self.signature(day, &text));
        let access_key = self.access_key;
        format!("AWS4-HMAC-SHA256 Credential={access_key}/{scope},SignedHeaders={names},Signature={}", hex(&signature))
    }

    fn signature(&self, day: &str, text: &str) -> [u8; 32] {
        let first = Zeroizing::new(format!("AWS4{}", self.secret_key));
        let mut key = Zeroizing::new(mac(first.as_bytes(), day.as_bytes()));
        for part in [self.region, "s3", "aws4_request"] {
            key = Zeroizing::new(mac(&*key, part.as_bytes()));
        }
        mac(&*key, text.as_bytes())
    }
}

fn mac(key: &[u8], data: &[u8]) -> [u8; 32] {
    // A key of any length is one.
    let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(key) else { return [0; 32] };
    mac.update(data);
    mac.finalize().into_bytes().into()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// `text` with every byte encoded that is none of `A-Z a-z 0-9 - . _ ~`; a slash only if `slashes` are to be.
pub(super) fn encode(text: &str, slashes: bool) -> String {
    text.bytes().fold(String::with_capacity(text.len() + 8), |mut encoded, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            b'/' if !slashes => encoded.push('/'),
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn signature(method: &str, path: &str, query: &str, more: &[(&str, &str)], payload: &str) -> String {
        let signer = Signer {
            access_key: "AKIAIOSFODNN7EXAMPLE",
            secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            region: "us-east-1",
        };
        let date = "20130524T000000Z";
        let mut headers =
            vec![("host", "examplebucket.s3.amazonaws.com"), ("x-amz-content-sha256", payload), ("x-amz-date", date)];
        headers.extend_from_slice(more);
        headers.sort_unstable();
        let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
        let authorization = signer.authorization(&Signed { method, path, query, headers: &headers, date, payload });
        let begin = format!(
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
             SignedHeaders={},Signature=",
            names.join(";")
        );
        authorization.strip_prefix(&begin).unwrap_or_else(|| panic!("{authorization}")).into()
    }

    /// The examples in the API reference of Amazon S3, "Authenticating Requests: Using the Authorization Header".
    #[test]
    fn the_published_examples() {
        let get = signature("GET", "/test.txt", "", &[("range", "bytes=0-9")], EMPTY);
        assert_eq!(get, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
        let more = [("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")];
        let payload = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
        let put = signature("PUT", &encode("/test$file.text", false), "", &more, payload);
        assert_eq!(put, "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
        let lifecycle = signature("GET", "/", "lifecycle=", &[], EMPTY);
        assert_eq!(lifecycle, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
        let list = signature("GET", "/", "max-keys=2&prefix=J", &[], EMPTY);
        assert_eq!(list, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
    }

    #[test]
    fn what_is_encoded() {
        assert_eq!(encode("/s/.cnt/vm/1/2025-07-14T14:20:02Z/a~b", false), "/s/.cnt/vm/1/2025-07-14T14%3A20%3A02Z/a~b");
        assert_eq!(encode("a/b c+%&=ä", true), "a%2Fb%20c%2B%25%26%3D%C3%A4");
    }
}
