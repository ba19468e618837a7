"""What every boto3 program needs: a client, a queue, receiving until something came, expecting an error."""

import contextlib
import json
import os
import time

import boto3
import botocore.config
import botocore.exceptions

from scenario import TARGET, scenario, unique

ENDPOINT = 'http://localhost:%s' % os.environ.get('SQS_PORT', '9324')
ACCOUNT = '000000000000'


def client(endpoint=ENDPOINT, key='test', secret='test', token=None, retries=0, **config):
    config = {'retries': {'max_attempts': retries}, 'connect_timeout': 5, 'read_timeout': 40, **config}
    return boto3.client(
        'sqs',
        endpoint_url=endpoint,
        region_name='us-east-1',
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=botocore.config.Config(**config),
    )


sqs = client()


def aws_alone(reason):
    """A scenario in which ElasticMQ is known not to be as Amazon is; the reason says in what."""
    assert reason
    return scenario if TARGET == 'posthorn' else (lambda function: function)


@contextlib.contextmanager
def queue(name='queue', /, **attributes):
    """The URL of a new queue, deleted at the end. A name that ends in .fifo makes a FIFO queue."""
    fifo = name.endswith('.fifo')
    attributes = {key: str(value) for key, value in attributes.items()}
    if fifo:
        attributes['FifoQueue'] = 'true'
    url = sqs.create_queue(
        QueueName=unique(name.removesuffix('.fifo')) + ('.fifo' if fifo else ''), Attributes=attributes
    )['QueueUrl']
    try:
        yield url
    finally:
        try:
            sqs.delete_queue(QueueUrl=url)
        except botocore.exceptions.ClientError:
            pass


def attributes(url, *names):
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(names) or ['All']).get('Attributes', {})


def arn(url):
    return attributes(url, 'QueueArn')['QueueArn']


def send(url, *bodies, **options):
    return [sqs.send_message(QueueUrl=url, MessageBody=body, **options) for body in bodies]


def receive(url, count=10, wait=0, **options):
    options = {'MessageSystemAttributeNames': ['All'], 'MessageAttributeNames': ['All'], **options}
    answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=count, WaitTimeSeconds=wait, **options)
    return answer.get('Messages', [])


def take(url, count, seconds=10, **options):
    """Receives until `count` messages came, and leaves them invisible."""
    messages = []
    deadline = time.monotonic() + seconds
    while len(messages) < count:
        messages += receive(url, min(10, count - len(messages)), wait=1, **options)
        if time.monotonic() > deadline:
            raise AssertionError('%d of %d messages: %r' % (len(messages), count, bodies(messages)))
    return messages


def bodies(messages):
    return [message['Body'] for message in messages]


def delete(url, messages):
    for message in messages:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message['ReceiptHandle'])


def refused(call, *arguments, **options):
    """The error's code without what the SDK's query compatibility adds: (code, HTTP status, message)."""
    try:
        call(*arguments, **options)
    except botocore.exceptions.ClientError as error:
        response = error.response
        code = response['Error'].get('Code')
        return code, response['ResponseMetadata']['HTTPStatusCode'], response['Error'].get('Message', '')
    raise AssertionError('not refused')


def redrive(url, count):
    return json.dumps({'deadLetterTargetArn': arn(url), 'maxReceiveCount': count})
