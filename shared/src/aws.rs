//! Where AWS is: its partitions, and the names that its hosts have there.
//!
//! After the partitions of botocore's `partitions.json`, the variants of its `endpoints.json`
//! ([FIPS](https://aws.amazon.com/compliance/fips/) and
//! [dual-stack](https://docs.aws.amazon.com/general/latest/gr/rande.html#dual-stack-endpoints)), and the names of
//! [interface endpoints](https://docs.aws.amazon.com/vpc/latest/privatelink/privatelink-access-aws-services.html).

/// A partition: regions that know nothing of the others' accounts.
struct Partition {
    /// As ARNs have it.
    name: &'static str,
    /// How its regions' names begin.
    regions: &'static str,
    /// What its hosts end in; then those that IPv6 reaches as well.
    domains: [&'static str; 2],
}

const fn partition(
    name: &'static str,
    regions: &'static str,
    domain: &'static str,
    dual_stack: &'static str,
) -> Partition {
    Partition {
        name,
        regions,
        domains: [domain, dual_stack],
    }
}

/// All of them; the last has every region that no other has.
const PARTITIONS: [Partition; 8] = [
    partition(
        "aws-cn",
        "cn-",
        "amazonaws.com.cn",
        "api.amazonwebservices.com.cn",
    ),
    partition("aws-us-gov", "us-gov-", "amazonaws.com", "api.aws"),
    partition(
        "aws-eusc",
        "eusc-",
        "amazonaws.eu",
        "api.amazonwebservices.eu",
    ),
    partition("aws-iso", "us-iso-", "c2s.ic.gov", "api.aws.ic.gov"),
    partition("aws-iso-b", "us-isob-", "sc2s.sgov.gov", "api.aws.scloud"),
    partition(
        "aws-iso-e",
        "eu-isoe-",
        "cloud.adc-e.uk",
        "api.cloud-aws.adc-e.uk",
    ),
    partition(
        "aws-iso-f",
        "us-isof-",
        "csp.hci.ic.gov",
        "api.aws.hci.ic.gov",
    ),
    partition("aws", "", "amazonaws.com", "api.aws"),
];

/// The region of hosts that name none.
const FIRST: &str = "us-east-1";

fn partition_of(region: &str) -> &'static Partition {
    let is_its = |partition: &&Partition| region.starts_with(partition.regions);
    let last = &PARTITIONS[PARTITIONS.len() - 1];
    PARTITIONS.iter().find(is_its).unwrap_or(last)
}

/// Whether `region` is one of the partition `name`, as ARNs have it.
#[must_use]
pub fn is_in(name: &str, region: &str) -> bool {
    partition_of(region).name == name
}

/// The host of `service` in `region`.
#[must_use]
pub fn host(service: &str, region: &str) -> String {
    let [domain, _] = partition_of(region).domains;
    format!("{service}.{region}.{domain}")
}

/// Every public name of that host: its own, and those for FIPS and for IPv6.
pub fn hosts(service: &str, region: &str) -> impl Iterator<Item = String> {
    let names = partition_of(region).domains.into_iter();
    names.flat_map(move |domain| {
        ["", "-fips"].map(|fips| format!("{service}{fips}.{region}.{domain}"))
    })
}

/// The region that requests to `host` are signed for; none where it is no host of `service` at AWS, or
/// says nothing of its region.
#[must_use]
pub fn region_of(service: &str, host: &str) -> Option<String> {
    let host = host.to_ascii_lowercase();
    let mut domains = PARTITIONS.iter().flat_map(|partition| partition.domains);
    let labels = domains.find_map(|domain| host.strip_suffix(domain)?.strip_suffix('.'))?;
    let labels: Vec<&str> = labels.split('.').collect();
    let is_service = |label: &str| label.strip_suffix("-fips").unwrap_or(label) == service;
    let is_global = host.ends_with(".amazonaws.com");
    let region = match labels[..] {
        [label, region] | [label, "dualstack", region] | [.., label, region, "vpce"]
            if is_service(label) =>
        {
            region
        }
        // The names of SQS's first hosts, and of S3's.
        [region, "queue"] if service == "sqs" => region,
        ["queue"] if service == "sqs" && is_global => FIRST,
        ["s3-external-1"] if service == "s3" => FIRST,
        [label] if is_service(label) && is_global => FIRST,
        [label] if service == "s3" => {
            let region = label.strip_prefix("s3-")?;
            region.strip_prefix("fips-").unwrap_or(region)
        }
        _ => return None,
    };
    let ends_in_a_number = region.ends_with(|last: char| last.is_ascii_digit());
    (region.contains('-') && ends_in_a_number).then(|| region.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_partition_has_hosts_of_its_own() {
        for (name, region, sts) in [
            ("aws", "eu-west-1", "sts.eu-west-1.amazonaws.com"),
            ("aws", "us-west-2", "sts.us-west-2.amazonaws.com"),
            ("aws-cn", "cn-north-1", "sts.cn-north-1.amazonaws.com.cn"),
            (
                "aws-us-gov",
                "us-gov-west-1",
                "sts.us-gov-west-1.amazonaws.com",
            ),
            (
                "aws-eusc",
                "eusc-de-east-1",
                "sts.eusc-de-east-1.amazonaws.eu",
            ),
            ("aws-iso", "us-iso-east-1", "sts.us-iso-east-1.c2s.ic.gov"),
            (
                "aws-iso-b",
                "us-isob-east-1",
                "sts.us-isob-east-1.sc2s.sgov.gov",
            ),
            (
                "aws-iso-e",
                "eu-isoe-west-1",
                "sts.eu-isoe-west-1.cloud.adc-e.uk",
            ),
            (
                "aws-iso-f",
                "us-isof-south-1",
                "sts.us-isof-south-1.csp.hci.ic.gov",
            ),
        ] {
            assert_eq!(host("sts", region), sts);
            assert!(is_in(name, region));
            assert_eq!(
                PARTITIONS
                    .iter()
                    .filter(|other| is_in(other.name, region))
                    .count(),
                1
            );
            for name in hosts("sqs", region) {
                assert_eq!(region_of("sqs", &name).as_deref(), Some(region), "{name}");
                assert_eq!(region_of("sns", &name), None, "{name}");
            }
        }
        let names: Vec<_> = hosts("sns", "us-east-1").collect();
        let expected = [
            "sns.us-east-1.amazonaws.com",
            "sns-fips.us-east-1.amazonaws.com",
            "sns.us-east-1.api.aws",
            "sns-fips.us-east-1.api.aws",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn a_host_says_its_region_in_whichever_form_it_is() {
        for (service, host, region) in [
            ("sqs", "eu-west-1.queue.amazonaws.com", "eu-west-1"),
            ("sqs", "queue.amazonaws.com", "us-east-1"),
            ("sqs", "cn-north-1.queue.amazonaws.com.cn", "cn-north-1"),
            ("sqs", "sqs-fips.us-west-2.amazonaws.com", "us-west-2"),
            ("sqs", "SQS.EU-West-1.Amazonaws.com", "eu-west-1"),
            (
                "sqs",
                "vpce-1a2b-3c4d.sqs.us-east-2.vpce.amazonaws.com",
                "us-east-2",
            ),
            (
                "sqs",
                "vpce-1a2b-3c4d-us-gov-west-1a.sqs.us-gov-west-1.vpce.amazonaws.com",
                "us-gov-west-1",
            ),
            (
                "sqs",
                "sqs.eusc-de-east-1.api.amazonwebservices.eu",
                "eusc-de-east-1",
            ),
            ("s3", "s3.amazonaws.com", "us-east-1"),
            ("s3", "s3-external-1.amazonaws.com", "us-east-1"),
            ("s3", "s3-eu-west-1.amazonaws.com", "eu-west-1"),
            ("s3", "s3-fips-us-gov-west-1.amazonaws.com", "us-gov-west-1"),
            (
                "s3",
                "s3.dualstack.cn-north-1.amazonaws.com.cn",
                "cn-north-1",
            ),
            (
                "s3",
                "s3-fips.dualstack.us-east-1.amazonaws.com",
                "us-east-1",
            ),
            (
                "s3",
                "bucket.vpce-1a2b-3c4d.s3.us-east-1.vpce.amazonaws.com",
                "us-east-1",
            ),
            ("sts", "sts.amazonaws.com", "us-east-1"),
            ("sts", "sts.us-east-1.api.aws", "us-east-1"),
        ] {
            assert_eq!(region_of(service, host).as_deref(), Some(region), "{host}");
        }
        for (service, host) in [
            ("s3", "s3-accelerate.amazonaws.com"),
            ("s3", "s3.evil.amazonaws.com"),
            ("s3", "minio.example"),
            ("s3", "amazonaws.com"),
            ("sqs", "sqs.eu-west-1.amazonaws.com.evil.example"),
            ("sqs", "sqs.eu-west-1.evilamazonaws.com"),
            ("sqs", "sqs.eu-west-1.localhost.localstack.cloud"),
            ("sqs", "sqs.amazonaws.com.cn"),
            ("sts", "vpce-1a2b.evil.us-east-1.vpce.amazonaws.com"),
            ("sts", "127.0.0.1"),
            ("sts", ""),
        ] {
            assert_eq!(region_of(service, host), None, "{host}");
        }
    }
}
