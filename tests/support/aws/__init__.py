"""The AWS that the deploy tool's tests talk to: an account in this process, as strict as AWS, broken on command.

    def test_something(aws: StrictAws) -> None:
        image = aws.put_image()                               # tiny and valid, in ECR's registry: image.digest
        aws.make_function("frames", image, alias="live")      # active, version 1, alias at it
        run(tool, env=os.environ | aws.environment())         # a process that finds this account and no other
        assert aws.do("GetAlias", FunctionName="frames", Name="live")["FunctionVersion"] == "1"

One loopback port (`aws.url`) answers for Lambda, ECR's API, ECR's registry (/v2/), CloudWatch, its logs and STS.
Requests and answers are held against botocore's own models; what no real client would ask and no real AWS would answer
is in `aws.violations`, which the fixture asserts to be empty. Signatures, sessions, registry passwords and IAM policies
(without their conditions) are checked for real. The state of Lambda and ECR is held here, not in ministack: what
ministack is kinder about (revisions, states, versions, aliases, digests, passwords, sizes) is nearly all of it. The
`live_aws` fixture has ministack behind it, for S3 and to run functions as the containers of their images.

Who asks:      aws.deployer, or aws.identity("ci", policy_document), aws.identity("sso", session=True);
               aws.environment(identity), aws.client("lambda", identity), aws.allow(identity, policy)
               aws.expire(identity): ExpiredTokenException.   aws.skew(3600): AWS's clock is an hour ahead.
               aws.expire_passwords(status=403): registry passwords issued so far are answered as expired
What is there: aws.do("UpdateAlias", FunctionName=…, …): any operation, unlogged, never broken, no look
               aws.put_image(samples.make("arm64", docker=True), "repository", "tag"), samples.index(one, other)
               aws.release("frames", image, alias="live"): another version, active at once, the alias moved
               aws.do("BatchDeleteImage", …): what a lifecycle rule does
               aws.ecr_state.host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com": repositoryUri says so
What takes time (by default a change is seen under way once, and done at the second look):
               aws.takes("UpdateFunctionCode", looks=3), aws.takes("PublishVersion", seconds=0.5)
               aws.fail_next("UpdateFunctionCode", "ImageAccessDenied"): accepted, then LastUpdateStatus Failed
               aws.set_state("frames", State="Inactive", StateReasonCode="Idle")
               Also for CreateFunction, UpdateFunctionConfiguration, PutProvisionedConcurrencyConfig, and UpdateAlias
               (provisioned concurrency that follows an alias).
Invoke:        aws.answer(Answer({"frames": 3}), version="2"), aws.answer(Answer({…}, error="Unhandled"), digest=…)
               aws.answer(Answer(hang=True), times=1), aws.answer(function_of_an_Invocation)
               Without a script: null, or with `live_aws` what the container answers. All is counted in CloudWatch and
               logged; aws.metrics.count("Errors", 5, dimensions) and aws.logs.append(group, stream, lines) add more.
What breaks, in a block; the first rule that fits a call has it:
               with aws.rule(Fail("TooManyRequestsException"), "PublishVersion", times=2) as rule: …   # rule.hits
               with aws.rule(Drop()): …        every call's connection is reset; LoseAnswer(): after the effect
               Delay(2), Hang(), Meanwhile(lambda: aws.do(…)), Change(lambda answer: answer.update(…))
               For the registry, Change edits the answer's headers: {"Docker-Content-Digest": …}.
               rule(…, "UpdateAlias", {"Name": "live"}, skip=1): by parameters; the second such call and later ones
A pause:       with aws.hold("UpdateAlias", after=True) as held:     # or aws.hold(skip=k): call k + 1, whatever it is
                   process = subprocess.Popen(…)
                   call = held.arrived(process=process)               # None if the process ended without that call
                   process.kill()
                   held.drop()                                        # or held.release(); the end of the block drops
What was asked: aws.calls("Invoke", FunctionName="frames"): service, operation, parameters, caller, status, code
               aws.changes(): all calls that are no reads. `str(call)` is a line of a log.
               The registry's operations: Ping, HeadBlob, GetBlob, StartUpload, UploadPart, CompleteUpload,
               HeadManifest, GetManifest, PutManifest, ListTags.

Stricter than AWS on purpose: an image of another architecture is refused by UpdateFunctionCode, not by the first start.
Not there: layers, function URLs, reserved concurrency, publishing within an update, events, ECR's own calls for
uploads.
"""

from tests.support.aws.errors import AwsError
from tests.support.aws.identities import Identity
from tests.support.aws.invocations import Answer, Invocation
from tests.support.aws.rules import Change, Delay, Drop, Fail, Hang, Hold, LoseAnswer, Meanwhile
from tests.support.aws.samples import SampleImage
from tests.support.aws.strict import StrictAws

__all__ = [
    "Answer",
    "AwsError",
    "Change",
    "Delay",
    "Drop",
    "Fail",
    "Hang",
    "Hold",
    "Identity",
    "Invocation",
    "LoseAnswer",
    "Meanwhile",
    "SampleImage",
    "StrictAws",
]
