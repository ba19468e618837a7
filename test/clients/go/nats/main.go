// nats.go, the reference client of NATS.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"posthorn.test/clients/scenario"
)

const patience = 10 * time.Second

func address(port string) string { return "nats://localhost:" + scenario.Env(port, "4222") }

func connected(use func(*nats.Conn) error, options ...nats.Option) func() error {
	return func() error {
		nc, err := nats.Connect(address("NATS_PORT"), append(options, nats.NoReconnect())...)
		if err != nil {
			return err
		}
		defer nc.Close()
		return use(nc)
	}
}

func two(use func(one, other *nats.Conn) error) func() error {
	return connected(func(one *nats.Conn) error {
		return connected(func(other *nats.Conn) error { return use(one, other) })()
	})
}

func bodies(subscription *nats.Subscription, count int) ([]string, error) {
	var got []string
	for range count {
		message, err := subscription.NextMsg(patience)
		if err != nil {
			return got, err
		}
		got = append(got, string(message.Data))
	}
	return got, nil
}

func nothing(subscription *nats.Subscription) error {
	message, err := subscription.NextMsg(100 * time.Millisecond)
	if errors.Is(err, nats.ErrTimeout) {
		return nil
	}
	return fmt.Errorf("unexpected %v, %v", message, err)
}

func publishAndSubscribe(nc, other *nats.Conn) error {
	subject := scenario.Unique("pubsub")
	subscription, err := other.SubscribeSync(subject)
	if err != nil {
		return err
	}
	other.Flush()
	wanted := []string{"", "text", string([]byte{0, 13, 10, 255}), strings.Repeat("x", 1_000_000)}
	for _, body := range wanted {
		if err := nc.Publish(subject, []byte(body)); err != nil {
			return err
		}
	}
	got, err := bodies(subscription, len(wanted))
	if err != nil {
		return err
	}
	if err := scenario.Equal("bodies", got, wanted); err != nil {
		return err
	}
	nc.PublishRequest(subject, "to.me", nil)
	message, err := subscription.NextMsg(patience)
	if err != nil {
		return err
	}
	return scenario.Equal("reply", message.Reply, "to.me")
}

func orderOfMany(nc, other *nats.Conn) error {
	subject := scenario.Unique("order")
	const count = 200_000
	done := make(chan error, 1)
	next := 0
	subscription, err := other.Subscribe(subject, func(message *nats.Msg) {
		if string(message.Data) != fmt.Sprint(next) {
			done <- fmt.Errorf("%s where %d was due", message.Data, next)
		}
		next++
		if next == count {
			done <- nil
		}
	})
	if err != nil {
		return err
	}
	subscription.SetPendingLimits(-1, -1)
	other.Flush()
	for n := range count {
		if err := nc.Publish(subject, fmt.Append(nil, n)); err != nil {
			return err
		}
	}
	nc.Flush()
	select {
	case err := <-done:
		return err
	case <-time.After(30 * time.Second):
		return fmt.Errorf("%d of %d", next, count)
	}
}

func wildcards(nc *nats.Conn) error {
	root := scenario.Unique("wild")
	wanted := map[string][]string{
		".*": {".a", ".b"}, ".>": {".a", ".b", ".a.b", ".a.c", ".a.b.c"}, ".*.c": {".a.c"},
		".a.>": {".a.b", ".a.c", ".a.b.c"}, ".*.*": {".a.b", ".a.c"},
	}
	subscriptions := map[string]*nats.Subscription{}
	for end := range wanted {
		subscription, err := nc.SubscribeSync(root + end)
		if err != nil {
			return err
		}
		subscriptions[end] = subscription
	}
	for _, end := range []string{"", ".a", ".b", ".a.b", ".a.c", ".a.b.c"} {
		nc.Publish(root+end, []byte(end))
	}
	nc.Flush()
	for end, ends := range wanted {
		got, err := bodies(subscriptions[end], len(ends))
		if err != nil {
			return err
		}
		if err := scenario.Equal(end, got, ends); err != nil {
			return err
		}
		if pending, _, _ := subscriptions[end].Pending(); pending != 0 {
			return fmt.Errorf("%s got %d more", end, pending)
		}
	}
	return nil
}

func queueGroups(nc, other *nats.Conn) error {
	subject := scenario.Unique("group")
	var members [4]atomic.Int64
	var everything atomic.Int64
	for n := range members {
		connection := []*nats.Conn{nc, other}[n%2]
		if _, err := connection.QueueSubscribe(subject, "q", func(*nats.Msg) { members[n].Add(1) }); err != nil {
			return err
		}
	}
	other.Subscribe(subject, func(*nats.Msg) { everything.Add(1) })
	nc.Flush()
	other.Flush()
	for range 1000 {
		nc.Publish(subject, nil)
	}
	nc.Flush()
	other.Flush()
	total := func() (sum int64, busy int) {
		for n := range members {
			count := members[n].Load()
			sum += count
			if count > 0 {
				busy++
			}
		}
		return
	}
	if err := scenario.Eventually("all delivered", func() bool { sum, _ := total(); return sum >= 1000 && everything.Load() >= 1000 }); err != nil {
		return err
	}
	sum, busy := total()
	if busy < 3 {
		return fmt.Errorf("only %d members got anything", busy)
	}
	return scenario.Equal("delivered", []int64{sum, everything.Load()}, []int64{1000, 1000})
}

func requests(nc, service *nats.Conn) error {
	subject := scenario.Unique("service")
	if _, err := service.Subscribe(subject, func(message *nats.Msg) { message.Respond(append([]byte("answer to "), message.Data...)) }); err != nil {
		return err
	}
	service.Flush()
	var group sync.WaitGroup
	problems := make(chan error, 200)
	for n := range 200 {
		group.Add(1)
		go func() {
			defer group.Done()
			answer, err := nc.Request(subject, fmt.Append(nil, n), patience)
			if err == nil {
				err = scenario.Equal("answer", string(answer.Data), fmt.Sprintf("answer to %d", n))
			}
			problems <- err
		}()
	}
	group.Wait()
	close(problems)
	for problem := range problems {
		if problem != nil {
			return problem
		}
	}
	_, err := nc.Request(scenario.Unique("nobody"), nil, patience)
	if !errors.Is(err, nats.ErrNoResponders) {
		return fmt.Errorf("expected no responders, got %v", err)
	}
	silent, _ := service.SubscribeSync(scenario.Unique("silent"))
	service.Flush()
	_, err = nc.Request(silent.Subject, nil, 100*time.Millisecond)
	if !errors.Is(err, nats.ErrTimeout) {
		return fmt.Errorf("expected a timeout, got %v", err)
	}
	return nil
}

func headers(nc *nats.Conn) error {
	subscription, err := nc.SubscribeSync(scenario.Unique("headers"))
	if err != nil {
		return err
	}
	message := nats.NewMsg(subscription.Subject)
	message.Header.Add("Many", "one")
	message.Header.Add("Many", "two")
	message.Header["lower-case"] = []string{"a: b"}
	message.Data = []byte("body")
	if err := nc.PublishMsg(message); err != nil {
		return err
	}
	got, err := subscription.NextMsg(patience)
	if err != nil {
		return err
	}
	if err := scenario.Equal("headers", got.Header, message.Header); err != nil {
		return err
	}
	return scenario.Equal("body", string(got.Data), "body")
}

func limitedAndEnded(nc *nats.Conn) error {
	subject := scenario.Unique("unsub")
	limited, _ := nc.SubscribeSync(subject)
	limited.AutoUnsubscribe(3)
	ended, _ := nc.SubscribeSync(subject)
	ended.Unsubscribe()
	whole, _ := nc.SubscribeSync(subject)
	for range 10 {
		nc.Publish(subject, []byte("x"))
	}
	nc.Flush()
	if _, err := bodies(whole, 10); err != nil {
		return err
	}
	if _, err := bodies(limited, 3); err != nil {
		return err
	}
	if _, err := limited.NextMsg(50 * time.Millisecond); !errors.Is(err, nats.ErrMaxMessages) && !errors.Is(err, nats.ErrBadSubscription) {
		return fmt.Errorf("a fourth one: %v", err)
	}
	return nothing(whole)
}

func drain(one, other *nats.Conn) error {
	nc, err := nats.Connect(address("NATS_PORT"))
	if err != nil {
		return err
	}
	subject := scenario.Unique("drain")
	var count atomic.Int64
	nc.Subscribe(subject, func(*nats.Msg) { time.Sleep(100 * time.Microsecond); count.Add(1) })
	nc.Flush()
	for range 1000 {
		other.Publish(subject, nil)
	}
	other.Flush()
	if err := nc.Drain(); err != nil {
		return err
	}
	if err := scenario.Eventually("drained", nc.IsClosed); err != nil {
		return err
	}
	return scenario.Equal("delivered", count.Load(), int64(1000))
}

func noEcho() error {
	return connected(func(nc *nats.Conn) error {
		return connected(func(other *nats.Conn) error {
			subject := scenario.Unique("echo")
			own, _ := nc.SubscribeSync(subject)
			others, _ := other.SubscribeSync(subject)
			nc.Flush()
			other.Flush()
			nc.Publish(subject, []byte("x"))
			if _, err := bodies(others, 1); err != nil {
				return err
			}
			return nothing(own)
		})()
	}, nats.NoEcho())()
}

func payloadLimit(nc *nats.Conn) error {
	if err := scenario.Equal("limit", nc.MaxPayload(), int64(1048576)); err != nil {
		return err
	}
	if err := nc.Publish("x", make([]byte, 1048577)); !errors.Is(err, nats.ErrMaxPayload) {
		return fmt.Errorf("expected the limit, got %v", err)
	}
	if err := nc.Publish("x", make([]byte, 1048576)); err != nil {
		return err
	}
	return nc.FlushTimeout(patience)
}

func slowConsumer() error {
	told := make(chan error, 10)
	return connected(func(nc *nats.Conn) error {
		block := make(chan struct{})
		defer close(block)
		subscription, _ := nc.Subscribe(scenario.Unique("slow"), func(*nats.Msg) { <-block })
		subscription.SetPendingLimits(10, 1<<20)
		for range 100 {
			nc.Publish(subscription.Subject, nil)
		}
		nc.Flush()
		select {
		case err := <-told:
			if !errors.Is(err, nats.ErrSlowConsumer) {
				return err
			}
			return nil
		case <-time.After(patience):
			return errors.New("not told")
		}
	}, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { told <- err }))()
}

func reconnects() error {
	var disconnected, reconnected, warned atomic.Int64
	nc, err := nats.Connect(address("NATS_PORT"), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond),
		nats.DisconnectErrHandler(func(*nats.Conn, error) { disconnected.Add(1) }),
		nats.LameDuckModeHandler(func(*nats.Conn) { warned.Add(1) }),
		nats.ReconnectHandler(func(*nats.Conn) { reconnected.Add(1) }))
	if err != nil {
		return err
	}
	defer nc.Close()
	subscription, _ := nc.SubscribeSync(scenario.Unique("reconnect") + ".*")
	nc.Flush()
	response, err := http.Post(scenario.Env("CONTROL", "")+"/restart", "text/plain", nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if said, _ := io.ReadAll(response.Body); string(said) != "restarted" {
		return fmt.Errorf("no restart: %s", said)
	}
	if err := scenario.Eventually("reconnected", func() bool { return reconnected.Load() == 1 }); err != nil {
		return err
	}
	nc.Publish(strings.TrimSuffix(subscription.Subject, "*")+"after", []byte("still here"))
	got, err := bodies(subscription, 1)
	if err != nil {
		return err
	}
	// nats-server warns of its end only when it is asked for a long goodbye (SIGUSR2).
	wanted := []string{"still here", "1", "0"}
	if scenario.Env("TARGET", "") == "posthorn" {
		wanted[2] = "1"
	}
	return scenario.Equal("after", append(got, fmt.Sprint(disconnected.Load()), fmt.Sprint(warned.Load())), wanted)
}

func logins() error {
	for _, good := range [][]nats.Option{{nats.UserInfo("app", "secret")}} {
		nc, err := nats.Connect(address("NATS_AUTH_PORT"), good...)
		if err != nil {
			return err
		}
		nc.Close()
	}
	nc, err := nats.Connect(address("NATS_TOKEN_PORT"), nats.Token("t0ken"))
	if err != nil {
		return err
	}
	nc.Close()
	wrong := map[string][]nats.Option{
		"password": {nats.UserInfo("app", "wrong")}, "user": {nats.UserInfo("nobody", "secret")}, "nothing": {}, "token": {nats.Token("x")},
	}
	for name, options := range wrong {
		if _, err := nats.Connect(address("NATS_AUTH_PORT"), options...); !errors.Is(err, nats.ErrAuthorization) {
			return fmt.Errorf("wrong %s: %v", name, err)
		}
	}
	return nil
}

func permissions() error {
	told := make(chan error, 10)
	nc, err := nats.Connect(address("NATS_AUTH_PORT"), nats.UserInfo("limited", "secret"), nats.PermissionErrOnSubscribe(true),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { told <- err }))
	if err != nil {
		return err
	}
	defer nc.Close()
	nc.Publish("forbidden", nil)
	select {
	case err := <-told:
		if !errors.Is(err, nats.ErrPermissionViolation) || !strings.Contains(err.Error(), `Permissions Violation for Publish to "forbidden"`) {
			return fmt.Errorf("publish: %w", err)
		}
	case <-time.After(patience):
		return errors.New("not told of the publish")
	}
	subscription, err := nc.SubscribeSync("forbidden")
	if err != nil {
		return err
	}
	if _, err := subscription.NextMsg(patience); !errors.Is(err, nats.ErrPermissionViolation) {
		return fmt.Errorf("subscribe: %w", err)
	}
	allowed, _ := nc.SubscribeSync("allowed.>")
	nc.Publish("allowed.x", []byte("x"))
	_, err = bodies(allowed, 1)
	return err
}

func overTLS() error {
	ca := nats.RootCAs(scenario.Env("CA_FILE", ""))
	for _, port := range []string{"NATS_TLS_PORT", "NATS_EITHER_PORT"} {
		nc, err := nats.Connect(strings.Replace(address(port), "nats:", "tls:", 1), ca, nats.UserInfo("app", "secret"))
		if err != nil {
			return fmt.Errorf("%s: %w", port, err)
		}
		defer nc.Close()
		if _, err := nc.TLSConnectionState(); err != nil {
			return err
		}
		subscription, _ := nc.SubscribeSync(scenario.Unique("tls"))
		body := bytes.Repeat([]byte("0123456789"), 60_000)
		nc.Publish(subscription.Subject, body)
		got, err := bodies(subscription, 1)
		if err != nil {
			return err
		}
		if got[0] != string(body) {
			return errors.New("the body changed")
		}
	}
	if _, err := nats.Connect(address("NATS_TLS_PORT"), nats.UserInfo("app", "secret")); err == nil {
		return errors.New("an unknown authority was trusted")
	}
	if _, err := nats.Connect(address("NATS_PORT"), nats.Secure()); !errors.Is(err, nats.ErrSecureConnWanted) {
		return fmt.Errorf("TLS where there is none: %v", err)
	}
	return nil
}

func webSocket() error {
	nc, err := nats.Connect("ws://localhost:" + scenario.Env("NATS_WS_PORT", ""))
	if err != nil {
		return err
	}
	defer nc.Close()
	compressed, err := nats.Connect("ws://localhost:"+scenario.Env("NATS_WS_PORT", ""), nats.Compression(true))
	if err != nil {
		return fmt.Errorf("asking for compression: %w", err)
	}
	defer compressed.Close()
	return connected(func(other *nats.Conn) error {
		for _, websocket := range []*nats.Conn{nc, compressed} {
			subscription, _ := websocket.SubscribeSync(scenario.Unique("ws"))
			websocket.Flush()
			sizes := []int{0, 125, 126, 65_535, 65_536, 800_000}
			for _, size := range sizes {
				other.Publish(subscription.Subject, make([]byte, size))
			}
			got, err := bodies(subscription, len(sizes))
			if err != nil {
				return err
			}
			var lengths []int
			for _, body := range got {
				lengths = append(lengths, len(body))
			}
			if err := scenario.Equal("sizes", lengths, sizes); err != nil {
				return err
			}
		}
		return nil
	})()
}

func monitoring() error {
	return connected(func(nc *nats.Conn) error {
		nc.Flush()
		var connections struct {
			Connections []struct{ Name, Lang, Version string }
		}
		response, err := http.Get("http://localhost:" + scenario.Env("NATS_HTTP_PORT", "") + "/connz")
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if err := json.NewDecoder(response.Body).Decode(&connections); err != nil {
			return err
		}
		var names []string
		for _, each := range connections.Connections {
			names = append(names, each.Name+" "+each.Lang)
		}
		if !slices.Contains(names, "watched go") {
			return fmt.Errorf("not listed: %v", names)
		}
		return nil
	}, nats.Name("watched"))()
}

func main() {
	scenario.Add("publish and subscribe", two(publishAndSubscribe))
	scenario.Add("order of many", two(orderOfMany))
	scenario.Add("wildcards", connected(wildcards))
	scenario.Add("queue groups", two(queueGroups))
	scenario.Add("requests and no responders", two(requests))
	scenario.Add("headers", connected(headers))
	scenario.Add("limited and ended subscriptions", connected(limitedAndEnded))
	scenario.Add("drain", two(drain))
	scenario.Add("no echo", noEcho)
	scenario.Add("payload limit", connected(payloadLimit))
	scenario.Add("slow consumer", slowConsumer)
	scenario.Add("reconnects after a restart", reconnects)
	scenario.Add("logins", logins)
	scenario.Add("permissions", permissions)
	scenario.Add("TLS", overTLS)
	scenario.Add("WebSocket", webSocket)
	scenario.Add("monitoring", monitoring)
	scenario.Main()
}
