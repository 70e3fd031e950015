// Command record asks the OpenTelemetry Collector's transform and filter processors what they do with the
// cases in the folder above, and keeps the answers. See ../README.md.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	time.Local = time.UTC
	if len(os.Args) == 2 && os.Args[1] == "worker" {
		limitMemory()
		exit(0, work(os.Stdin, os.Stdout))
	}
	folder := flag.String("dir", "..", "folder of the cases")
	check := flag.Bool("check", false, "compare with the kept answers, write nothing")
	sample := flag.String("sample", "", "instead: compare with the answers in this file of one case a line")
	data := flag.String("data", "", "instead: run the rules of real/ over the captures in this folder")
	flag.Parse()
	if *data != "" {
		exit(recordReal(*folder, *data, *check))
	}
	if *sample != "" {
		exit(checkSample(*sample))
	}
	exit(recordAll(*folder, *check))
}

func exit(failures int, err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "record:", err)
		os.Exit(2)
	}
	if failures > 0 {
		os.Exit(1)
	}
	os.Exit(0)
}
