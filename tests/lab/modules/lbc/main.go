// Command lbc-model asks the AWS Load Balancer Controller itself what it makes of a Service.
//
// It reads one case a line from stdin and writes one verdict a line, in the same order. The
// controller's annotation parser, ownership test and model builder are linked in as they are released;
// its own mocks stand for AWS.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"

	corev1 "k8s.io/api/core/v1"
)

// A Case is one Service in its cluster; Siblings are the other Services of its namespace.
type Case struct {
	Service  corev1.Service   `json:"service"`
	Siblings []corev1.Service `json:"siblings"`
	Cluster  Cluster          `json:"cluster"`
}

func main() {
	if err := answer(bufio.NewReaderSize(os.Stdin, 1<<20), bufio.NewWriterSize(os.Stdout, 1<<20)); err != nil {
		fmt.Fprintln(os.Stderr, "lbc-model:", err)
		os.Exit(1)
	}
}

func answer(in *bufio.Reader, out *bufio.Writer) error {
	cases := json.NewDecoder(in)
	verdicts := json.NewEncoder(out)
	for cases.More() {
		var asked Case
		if err := cases.Decode(&asked); err != nil {
			return err
		}
		if err := verdicts.Encode(judge(&asked)); err != nil {
			return err
		}
	}
	return out.Flush()
}

// A value in an annotation can crash the controller; that is a verdict like any other.
func judge(asked *Case) (verdict Verdict) {
	controller := newController(asked)
	verdict.Supported = controller.utils.IsServiceSupported(&asked.Service)
	defer func() {
		switch crash := recover().(type) {
		case nil:
		case unexpectedCall:
			panic(crash)
		default:
			verdict.refuse(fmt.Sprintf("controller panic: %v", crash))
		}
	}()
	stack, loadBalancer, _, err := controller.builder.Build(context.Background(), &asked.Service, controller.metrics)
	if err == nil {
		err = verdict.fill(stack, loadBalancer)
	}
	if err != nil {
		verdict.refuse(err.Error())
	}
	return verdict
}
