// amqp091-go, RabbitMQ's Go client.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"posthorn.test/clients/scenario"
)

var url = "amqp://guest:guest@localhost:" + scenario.Env("AMQP_PORT", "5672") + "/"

func onChannel(use func(*amqp.Channel, *amqp.Connection) error) func() error {
	return func() error {
		connection, err := amqp.Dial(url)
		if err != nil {
			return err
		}
		defer connection.Close()
		channel, err := connection.Channel()
		if err != nil {
			return err
		}
		return use(channel, connection)
	}
}

func next(deliveries <-chan amqp.Delivery) (amqp.Delivery, error) {
	select {
	case delivery, open := <-deliveries:
		if !open {
			return delivery, errors.New("the consumer ended")
		}
		return delivery, nil
	case <-time.After(10 * time.Second):
		return amqp.Delivery{}, errors.New("no delivery in 10 s")
	}
}

func helloAndWorkQueue(channel *amqp.Channel, _ *amqp.Connection) error {
	queue, err := channel.QueueDeclare(scenario.Unique("task_queue"), true, false, false, false, nil)
	if err != nil {
		return err
	}
	for n := range 5 {
		message := amqp.Publishing{DeliveryMode: amqp.Persistent, ContentType: "text/plain", Body: fmt.Appendf(nil, "task %d", n)}
		if err := channel.PublishWithContext(context.Background(), "", queue.Name, false, false, message); err != nil {
			return err
		}
	}
	if err := channel.Qos(1, 0, false); err != nil {
		return err
	}
	deliveries, err := channel.Consume(queue.Name, "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	for n := range 5 {
		delivery, err := next(deliveries)
		if err != nil {
			return err
		}
		if err := scenario.Equal("body", string(delivery.Body), fmt.Sprintf("task %d", n)); err != nil {
			return err
		}
		if err := delivery.Ack(false); err != nil {
			return err
		}
	}
	_, err = channel.QueueDelete(queue.Name, false, false, false)
	return err
}

func deferredConfirms(channel *amqp.Channel, _ *amqp.Connection) error {
	queue, err := channel.QueueDeclare(scenario.Unique("confirms"), true, false, false, false, nil)
	if err != nil {
		return err
	}
	if err := channel.Confirm(false); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var confirmations []*amqp.DeferredConfirmation
	for n := range 5000 {
		message := amqp.Publishing{DeliveryMode: amqp.Persistent, Body: fmt.Appendf(nil, "%d", n)}
		confirmation, err := channel.PublishWithDeferredConfirmWithContext(ctx, "", queue.Name, true, false, message)
		if err != nil {
			return err
		}
		confirmations = append(confirmations, confirmation)
	}
	for n, confirmation := range confirmations {
		acked, err := confirmation.WaitContext(ctx)
		if err != nil || !acked {
			return fmt.Errorf("message %d: acked %v, %v", n, acked, err)
		}
	}
	inspected, err := channel.QueueDeclarePassive(queue.Name, true, false, false, false, nil)
	if err != nil {
		return err
	}
	if err := scenario.Equal("messages", inspected.Messages, 5000); err != nil {
		return err
	}
	_, err = channel.QueueDelete(queue.Name, false, false, false)
	return err
}

func tables(channel *amqp.Channel, _ *amqp.Connection) error {
	queue, err := channel.QueueDeclare("", false, false, true, false, nil)
	if err != nil {
		return err
	}
	headers := amqp.Table{
		"bool": true, "byte": int8(-3), "int16": int16(300), "int32": int32(-70000), "int64": int64(1) << 40,
		"float32": float32(1.5), "float64": 2.25, "string": "ü", "bytes": []byte{0, 255}, "nil": nil,
		"decimal": amqp.Decimal{Scale: 2, Value: 1234}, "time": time.Unix(1_700_000_000, 0),
		"array": []any{int32(1), "a", true}, "table": amqp.Table{"deep": amqp.Table{"er": "x"}},
	}
	message := amqp.Publishing{Headers: headers, Body: []byte("x"), Type: "t", AppId: "a", MessageId: "m", Priority: 3}
	if err := channel.PublishWithContext(context.Background(), "", queue.Name, false, false, message); err != nil {
		return err
	}
	deliveries, err := channel.Consume(queue.Name, "", true, false, false, false, nil)
	if err != nil {
		return err
	}
	delivery, err := next(deliveries)
	if err != nil {
		return err
	}
	for name, want := range headers {
		if err := scenario.Equal(name, delivery.Headers[name], want); err != nil {
			return err
		}
	}
	return scenario.Equal("properties", []any{delivery.Type, delivery.AppId, delivery.MessageId, delivery.Priority}, []any{"t", "a", "m", uint8(3)})
}

func returnsAndClosures(channel *amqp.Channel, connection *amqp.Connection) error {
	returns := channel.NotifyReturn(make(chan amqp.Return, 1))
	if err := channel.PublishWithContext(context.Background(), "amq.direct", "nobody", true, false, amqp.Publishing{Body: []byte("x")}); err != nil {
		return err
	}
	select {
	case returned := <-returns:
		if err := scenario.Equal("returned", fmt.Sprint(returned.ReplyCode, returned.ReplyText), "312NO_ROUTE"); err != nil {
			return err
		}
	case <-time.After(10 * time.Second):
		return errors.New("not returned")
	}
	missing := scenario.Unique("missing")
	_, err := channel.QueueDeclarePassive(missing, false, false, false, false, nil)
	var refusal *amqp.Error
	if !errors.As(err, &refusal) {
		return fmt.Errorf("expected an AMQP error, got %v", err)
	}
	if err := scenario.Equal("refusal", fmt.Sprint(refusal.Code, " ", refusal.Reason), "404 NOT_FOUND - no queue '"+missing+"' in vhost '/'"); err != nil {
		return err
	}
	second, err := connection.Channel()
	if err != nil {
		return err
	}
	return second.Close()
}

func concurrentChannels(_ *amqp.Channel, connection *amqp.Connection) error {
	var group sync.WaitGroup
	problems := make(chan error, 32)
	for c := range 32 {
		group.Add(1)
		go func() {
			defer group.Done()
			problems <- func() error {
				channel, err := connection.Channel()
				if err != nil {
					return err
				}
				defer channel.Close()
				queue, err := channel.QueueDeclare("", false, false, true, false, nil)
				if err != nil {
					return err
				}
				deliveries, err := channel.Consume(queue.Name, "", false, false, false, false, nil)
				if err != nil {
					return err
				}
				for n := range 200 {
					body := bytes.Repeat([]byte{byte(c), byte(n)}, 1+n*10)
					if err := channel.PublishWithContext(context.Background(), "", queue.Name, false, false, amqp.Publishing{Body: body}); err != nil {
						return err
					}
					delivery, err := next(deliveries)
					if err != nil {
						return err
					}
					if !bytes.Equal(delivery.Body, body) {
						return fmt.Errorf("channel %d, message %d changed", c, n)
					}
					if err := delivery.Ack(false); err != nil {
						return err
					}
				}
				return nil
			}()
		}()
	}
	group.Wait()
	close(problems)
	for problem := range problems {
		if problem != nil {
			return problem
		}
	}
	return nil
}

func smallFrames() error {
	connection, err := amqp.DialConfig(url, amqp.Config{FrameSize: 4096, Heartbeat: time.Second, ChannelMax: 10})
	if err != nil {
		return err
	}
	defer connection.Close()
	if err := scenario.Equal("tuned", []any{connection.Config.FrameSize, connection.Config.ChannelMax}, []any{4096, uint16(10)}); err != nil {
		return err
	}
	channel, err := connection.Channel()
	if err != nil {
		return err
	}
	queue, err := channel.QueueDeclare("", false, false, true, false, nil)
	if err != nil {
		return err
	}
	body := bytes.Repeat([]byte("0123456789"), 100_000)
	if err := channel.PublishWithContext(context.Background(), "", queue.Name, false, false, amqp.Publishing{Body: body}); err != nil {
		return err
	}
	deliveries, err := channel.Consume(queue.Name, "", true, false, false, false, nil)
	if err != nil {
		return err
	}
	delivery, err := next(deliveries)
	if err != nil {
		return err
	}
	if !bytes.Equal(delivery.Body, body) {
		return errors.New("the body changed")
	}
	// Longer than two heartbeats without a word of ours.
	select {
	case reason := <-connection.NotifyClose(make(chan *amqp.Error, 1)):
		return fmt.Errorf("closed while idle: %v", reason)
	case <-time.After(4500 * time.Millisecond):
		return nil
	}
}

func deadLetters(channel *amqp.Channel, _ *amqp.Connection) error {
	grave, err := channel.QueueDeclare("", false, false, true, false, nil)
	if err != nil {
		return err
	}
	queue, err := channel.QueueDeclare("", false, false, true, false, amqp.Table{
		"x-dead-letter-exchange": "", "x-dead-letter-routing-key": grave.Name, "x-message-ttl": int32(50),
	})
	if err != nil {
		return err
	}
	if err := channel.PublishWithContext(context.Background(), "", queue.Name, false, false, amqp.Publishing{Body: []byte("x")}); err != nil {
		return err
	}
	deliveries, err := channel.Consume(grave.Name, "", true, false, false, false, nil)
	if err != nil {
		return err
	}
	delivery, err := next(deliveries)
	if err != nil {
		return err
	}
	death := delivery.Headers["x-death"].([]any)[0].(amqp.Table)
	return errors.Join(
		scenario.Equal("count", death["count"], int64(1)),
		scenario.Equal("reason", death["reason"], "expired"),
		scenario.Equal("queue", death["queue"], queue.Name),
		scenario.Equal("routing-keys", death["routing-keys"], []any{queue.Name}),
		scenario.Equal("first", delivery.Headers["x-first-death-reason"], "expired"),
	)
}

func main() {
	scenario.Add("work queue with acks", onChannel(helloAndWorkQueue))
	scenario.Add("deferred confirms", onChannel(deferredConfirms))
	scenario.Add("tables of every type", onChannel(tables))
	scenario.Add("returns and refusals", onChannel(returnsAndClosures))
	scenario.Add("thirty-two channels at once", onChannel(concurrentChannels))
	scenario.Add("small frames, heartbeats", smallFrames)
	scenario.Add("dead letters", onChannel(deadLetters))
	scenario.Main()
}
