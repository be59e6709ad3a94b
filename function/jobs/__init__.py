"""Jobs over many videos: list them, survey what each costs, cut the work into equal parts, do them, gather the results.

A *piece* is some rows of one video: one decode. A *part* is pieces that take about `part_seconds` together: one
invocation. Each step is an action of the function, keeps what it found below the job's output in `_job/`, and finds
what it did before, so that a job that is run again only does what is missing. deploy/frames.asl.json has Step Functions
run the steps, `python -m function.jobs` has processes of this machine run them.
"""
