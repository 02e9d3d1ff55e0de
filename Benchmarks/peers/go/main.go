// The relay on Go's standard library: net/http/fcgi in front, net/http towards the provider.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/fcgi"
	"os"
)

var provider = os.Getenv("PROVIDER") + "/chat/completions"

var client = &http.Client{Transport: &http.Transport{
	MaxIdleConnsPerHost: 10000, // the default, 2, would open a connection for nearly every stream
	DisableCompression:  true,
}}

type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

type completion struct {
	Model    string    `json:"model"`
	Stream   bool      `json:"stream"`
	Messages []message `json:"messages"`
}

type chunk struct {
	Choices []struct {
		Delta struct {
			Content string `json:"content"`
		} `json:"delta"`
	} `json:"choices"`
}

type token struct {
	Token string `json:"token"`
}

func stream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("X-Accel-Buffering", "no")
	if err := relay(w, r); err != nil {
		text, _ := json.Marshal(map[string]string{"message": err.Error()})
		fmt.Fprintf(w, "event: error\ndata: %s\n\n", text)
	}
}

func relay(w http.ResponseWriter, r *http.Request) error {
	body, err := json.Marshal(completion{"mock", true, []message{{"user", r.URL.Query().Get("prompt")}}})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(r.Context(), "POST", provider, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	// Closed before its end, the body takes its connection along: that ends the provider's work.
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New("the provider answered " + response.Status)
	}

	lines := bufio.NewScanner(response.Body)
	lines.Buffer(make([]byte, 0, 4096), 1<<20)
	for lines.Scan() {
		data := bytes.TrimPrefix(lines.Bytes(), []byte("data:"))
		if len(data) == len(lines.Bytes()) {
			continue
		}
		data = bytes.TrimSpace(data)
		if string(data) == "[DONE]" {
			fmt.Fprint(w, "event: done\ndata: {}\n\n")
			io.Copy(io.Discard, response.Body) // read to its end, the connection is kept
			return nil
		}
		var part chunk
		if err := json.Unmarshal(data, &part); err != nil {
			return err
		}
		if len(part.Choices) == 0 || part.Choices[0].Delta.Content == "" {
			continue
		}
		text, err := json.Marshal(token{part.Choices[0].Delta.Content})
		if err != nil {
			return err
		}
		// A client that left shows here alone: net/http/fcgi does not cancel the request's context.
		if _, err := fmt.Fprintf(w, "data: %s\n\n", text); err != nil {
			return err
		}
		w.(http.Flusher).Flush()
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return io.ErrUnexpectedEOF
}

func main() {
	listener, err := net.Listen("unix", os.Getenv("SOCKET"))
	if err == nil {
		err = os.Chmod(os.Getenv("SOCKET"), 0o666)
	}
	if err == nil {
		err = fcgi.Serve(listener, http.HandlerFunc(stream))
	}
	log.Fatal(err)
}
