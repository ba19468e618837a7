"""awscli: what people type, with its own ways of writing attributes, pages and errors.

The program is loaded once and forked for each command: the same code, without a second's start each time.
"""

import json
import os
import sys
import tempfile

import awscli.clidriver

from scenario import equal, expected, main, scenario, unique

ENDPOINT = 'http://localhost:%s' % os.environ['SQS_PORT']
os.environ.update({
    'AWS_ACCESS_KEY_ID': 'test',
    'AWS_SECRET_ACCESS_KEY': 'test',
    'AWS_DEFAULT_REGION': 'us-east-1',
    'AWS_EC2_METADATA_DISABLED': 'true',
    'AWS_MAX_ATTEMPTS': '1',
    'AWS_CONFIG_FILE': os.devnull,
})


def aws(*arguments, fails=False):
    with tempfile.TemporaryFile('w+') as out, tempfile.TemporaryFile('w+') as err:
        child = os.fork()
        if child == 0:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            code = 255
            try:
                options = ['--endpoint-url', ENDPOINT, '--output', 'json', 'sqs']
                code = awscli.clidriver.create_clidriver().main([*options, *arguments])
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        _, status = os.waitpid(child, 0)
        out.seek(0)
        err.seek(0)
        printed, said = out.read(), err.read().strip()
    if fails:
        assert status != 0, printed
        return said
    assert status == 0, said
    return json.loads(printed) if printed.strip() else None


@scenario
def a_queue_from_its_making_to_its_end():
    name = unique('cli')
    url = aws('create-queue', '--queue-name', name, '--attributes', 'VisibilityTimeout=45,DelaySeconds=0')['QueueUrl']
    equal(aws('get-queue-url', '--queue-name', name), {'QueueUrl': url})
    equal(aws('list-queues', '--queue-name-prefix', name)['QueueUrls'], [url])
    attributes = ('get-queue-attributes', '--queue-url', url, '--attribute-names')
    equal(aws(*attributes, 'VisibilityTimeout'), {'Attributes': {'VisibilityTimeout': '45'}})
    aws('set-queue-attributes', '--queue-url', url, '--attributes', '{"VisibilityTimeout":"50"}')
    equal(aws(*attributes, 'All')['Attributes']['VisibilityTimeout'], '50')
    with tempfile.NamedTemporaryFile('w') as file:
        json.dump({'kind': {'DataType': 'String', 'StringValue': 'ä'}}, file)
        file.flush()
        sent = aws('send-message', '--queue-url', url, '--message-body', 'hello', '--message-attributes', 'file://' + file.name)
    receive = ('receive-message', '--queue-url', url, '--wait-time-seconds', '5')
    [message] = aws(*receive, '--attribute-names', 'All', '--message-attribute-names', 'All')['Messages']
    equal((message['Body'], message['MessageId']), ('hello', sent['MessageId']))
    equal(message['MessageAttributes']['kind']['StringValue'], 'ä')
    handle = message['ReceiptHandle']
    aws('change-message-visibility', '--queue-url', url, '--receipt-handle', handle, '--visibility-timeout', '0')
    [message] = aws(*receive)['Messages']
    aws('delete-message', '--queue-url', url, '--receipt-handle', message['ReceiptHandle'])
    batch = json.dumps([{'Id': str(n), 'MessageBody': str(n)} for n in range(3)])
    equal(len(aws('send-message-batch', '--queue-url', url, '--entries', batch)['Successful']), 3)
    aws('purge-queue', '--queue-url', url)
    aws('tag-queue', '--queue-url', url, '--tags', 'team=one')
    equal(aws('list-queue-tags', '--queue-url', url), {'Tags': {'team': 'one'}})
    aws('delete-queue', '--queue-url', url)


@scenario
def fifo_and_dead_letters():
    name = unique('cli')
    dead = aws('create-queue', '--queue-name', name + '-dead.fifo', '--attributes', 'FifoQueue=true')['QueueUrl']
    arn = aws('get-queue-attributes', '--queue-url', dead, '--attribute-names', 'QueueArn')['Attributes']['QueueArn']
    policy = json.dumps({'deadLetterTargetArn': arn, 'maxReceiveCount': '1'})
    attributes = {'FifoQueue': 'true', 'ContentBasedDeduplication': 'true', 'VisibilityTimeout': '0', 'RedrivePolicy': policy}
    url = aws('create-queue', '--queue-name', name + '.fifo', '--attributes', json.dumps(attributes))['QueueUrl']
    for _ in range(2):
        sent = aws('send-message', '--queue-url', url, '--message-body', 'x', '--message-group-id', 'g')
        assert int(sent['SequenceNumber']) >= 0, sent
    equal(len(aws('receive-message', '--queue-url', url, '--max-number-of-messages', '10')['Messages']), 1)
    assert not (aws('receive-message', '--queue-url', url) or {}).get('Messages')
    equal(len(aws('receive-message', '--queue-url', dead, '--wait-time-seconds', '5')['Messages']), 1)
    for each in (url, dead):
        aws('delete-queue', '--queue-url', each)


@scenario
def errors():
    said = aws('get-queue-url', '--queue-name', 'no-such-queue', fails=True)
    assert '(%s)' % expected('sqs_missing_queue') in said, said
    assert 'GetQueueUrl operation' in said and 'queue does not exist' in said, said
    said = aws('receive-message', '--queue-url', ENDPOINT + '/000000000000/none', fails=True)
    assert '(%s)' % expected('sqs_missing_queue') in said, said


main()
