using System.Text.Json.Nodes;
using AiFabric.Crds.Adapters;
using AiFabric.Crds.Common;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Operator.Webhooks;
using k8s.Models;
using Xunit;

namespace AiFabric.Tests.Operator.Webhooks;

public sealed class ValidatingReviewTests
{
    [Fact]
    public void Sound_objects_pass_without_a_word()
    {
        foreach (Verdict verdict in (Verdict[])[Reviews.Create(Make.Model()), Reviews.Create(Make.Adapter()), Reviews.Create(Make.Job())])
        {
            Assert.Empty(verdict.Refusals);
            Assert.Empty(verdict.Warnings);
        }
    }

    [Fact]
    public void All_that_the_reconcilers_would_report_is_refused_in_one_message()
    {
        Verdict verdict = Reviews.Create(Make.Job(spec =>
        {
            spec.Dataset.Uri = "ftp://example.org/data";
            spec.Hyperparameters = new() { LearningRate = "0" };
        }));
        AdmissionResponse response = verdict.ToResponse("7");
        Assert.False(response.Allowed);
        Assert.Equal((422, "Invalid", "7"), (response.Status!.Code, response.Status.Reason, response.Uid));
        Assert.Contains("spec.dataset.uri: scheme 'ftp' is not supported", response.Status.Message, StringComparison.Ordinal);
        Assert.EndsWith("; spec.hyperparameters.learningRate: '0' must be above 0", response.Status.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_referent_is_told_and_let_in()
    {
        var nothing = Reviews.Around(models: []);
        Assert.Equal(["spec.modelRef.name: CoServedModel demo does not exist"], Warnings(Reviews.Create(Make.Job(), nothing)));
        Adapter adapter = Make.Adapter(adapter => adapter.Spec.Source = new() { FinetuneJobRef = new() { Name = "gone" } });
        Assert.Equal(
            ["spec.modelRef.name: CoServedModel demo does not exist yet", "spec.source.finetuneJobRef.name: FinetuneJob gone does not exist yet"],
            Warnings(Reviews.Create(adapter, nothing)));
        CoServedModel closed = Make.Model(spec => spec.CoServing = new() { MaxFinetuneTokensPerIteration = 0 });
        Assert.Contains("maxFinetuneTokensPerIteration 0", Assert.Single(Warnings(Reviews.Create(Make.Job(), Reviews.Around([closed])))), StringComparison.Ordinal);
        CoServedModel bare = Make.Model(spec => spec.Lora = new() { MaxAdapters = 0 });
        Assert.Contains("maxAdapters 0", Assert.Single(Warnings(Reviews.Create(Make.Adapter(), Reviews.Around([bare])))), StringComparison.Ordinal);
    }

    [Fact]
    public void What_can_never_work_is_refused()
    {
        CoServedModel other = Make.Model(spec => spec.Model.Name = "demo", name: "other");
        Assert.Equal(
            ["spec.model.name: CoServedModel other of this namespace is served as 'demo' already: choose another name"],
            Refusals(Reviews.Create(Make.Model(), Reviews.Around([other]))));

        CoServedModel small = Make.Model(spec => spec.Lora = new() { MaxRank = 8 });
        Assert.Equal(
            ["spec.lora.rank: lora.rank 16 exceeds lora.maxRank 8 of CoServedModel demo"],
            Refusals(Reviews.Create(Make.Job(), Reviews.Around([small]))));

        FinetuneJob first = Make.Job(name: "first");
        (first.Metadata.Uid, first.Metadata.CreationTimestamp) = ("zz", Make.Now.UtcDateTime);
        FinetuneJob second = Make.Job();
        second.Metadata.CreationTimestamp = Make.Now.UtcDateTime; // The same second, and a smaller uid.
        Assert.Equal(
            ["spec.output.adapterName: FinetuneJob first came first with output.adapterName french"],
            Refusals(Reviews.Create(second, Reviews.Around(jobs: [first]))));
        Assert.Equal(
            ["metadata.name: FinetuneJob first will make the Adapter french: choose another name"],
            Refusals(Reviews.Create(Make.Adapter(), Reviews.Around(jobs: [first]))));
        Assert.StartsWith(
            "spec.output.adapterName: Adapter french exists and is not this job's",
            Assert.Single(Refusals(Reviews.Create(Make.Job(), Reviews.Around(adapters: [Make.Adapter()])))), StringComparison.Ordinal);
    }

    [Fact]
    public void The_operators_own_adapter_and_names_of_finished_jobs_are_free()
    {
        Adapter published = Make.Adapter(adapter => adapter.Metadata.Labels = new Dictionary<string, string> { [Labels.FinetuneJob] = "job" });
        Assert.Empty(Reviews.Create(published, Reviews.Around(jobs: [Make.Job()])).Refusals);
        FinetuneJob done = Make.Job(name: "done");
        done.Status.Conditions = [new V1Condition { Type = FinetuneJobConditions.Complete, Status = "True" }];
        Assert.Empty(Reviews.Create(Make.Adapter(), Reviews.Around(jobs: [done])).Refusals);
        Assert.Empty(Reviews.Create(Make.Model(), Reviews.Around([Make.Model()])).Refusals); // Itself, from the cache.
    }

    [Fact]
    public void Of_two_jobs_with_one_adapter_name_the_first_may_publish()
    {
        FinetuneJob first = Make.Job(name: "first");
        (first.Metadata.Uid, first.Metadata.CreationTimestamp) = ("a", Make.Now.UtcDateTime);
        FinetuneJob second = Make.Job(name: "second"); // The caches did not show the first yet when it came.
        second.Metadata.CreationTimestamp = Make.Now.AddSeconds(1).UtcDateTime;
        foreach (FinetuneJob[] jobs in (FinetuneJob[][])[[first, second], [second, first]])
        {
            Assert.Empty(Refusals(Reviews.Create(MadeFor("first"), Reviews.Around(jobs: jobs))));
            Assert.Equal(
                ["metadata.name: FinetuneJob first will make the Adapter french: choose another name"],
                Refusals(Reviews.Create(MadeFor("second"), Reviews.Around(jobs: jobs))));
        }

        static Adapter MadeFor(string job) =>
            Make.Adapter(adapter => adapter.Metadata.Labels = new Dictionary<string, string> { [Labels.FinetuneJob] = job });
    }

    [Fact]
    public void Canaries_that_lead_in_a_circle_are_refused_and_one_that_is_not_there_yet_is_told()
    {
        CoServedModel Naming(string name, string target) => Make.Model(
            spec => spec.Routing = new RoutingSpec { Canary = new TrafficSpec { ModelRef = new TrafficTarget { Name = target }, Percent = 10 } }, name);
        Assert.Equal(
            ["spec.routing: canaries and mirrors lead in a circle: demo → next → demo"],
            Refusals(Reviews.Create(Naming("demo", "next"), Reviews.Around([Naming("next", "demo")]))));
        Verdict early = Reviews.Create(Naming("demo", "next"), Reviews.Around([]));
        Assert.Empty(early.Refusals);
        Assert.Equal("spec.routing: CoServedModel next does not exist yet", Assert.Single(early.Warnings).ToString());
    }

    [Fact]
    public void An_immutable_field_is_held_to_its_old_value()
    {
        Assert.Equal(
            ["spec.dataset: dataset is immutable: put the old value back, or make a new object"],
            Refusals(Reviews.Update(Make.Job(), Make.Job(spec => spec.Dataset.Uri = "file:///other"))));
        Assert.Equal(
            ["spec.modelRef: modelRef is immutable: put the old value back, or make a new object"],
            Refusals(Reviews.Update(Make.Adapter(), Make.Adapter(adapter => adapter.Spec.ModelRef.Name = "other"), Reviews.Around([Make.Model(), Make.Model(name: "other")]))));
        Assert.Empty(Refusals(Reviews.Update(Make.Job(), Make.Job(spec => spec.Suspend = true))));
    }

    [Fact]
    public void What_was_broken_before_may_be_edited_and_deleted_with_a_warning()
    {
        static CoServedModel Broken(int replicas) => Make.Model(spec => (spec.Model.Uri, spec.Replicas) = ("ftp://x/y", replicas));
        Verdict edit = Reviews.Update(Broken(1), Broken(2));
        Assert.Empty(edit.Refusals);
        Assert.StartsWith("spec.model.uri: scheme 'ftp'", Assert.Single(Warnings(edit)), StringComparison.Ordinal);

        CoServedModel released = Broken(1);
        released.Metadata.Finalizers = [];
        Assert.Same(Verdict.Pass, Reviews.Update(Broken(1), released));

        CoServedModel dying = Make.Model(spec => spec.Model.Uri = "ftp://x/y");
        dying.Metadata.DeletionTimestamp = Make.Now.UtcDateTime;
        Assert.Same(Verdict.Pass, Reviews.Update(Make.Model(), dying));
        Assert.StartsWith("spec.model.uri", Assert.Single(Refusals(Reviews.Update(Make.Model(), Broken(1)))), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"spec":{"nodeSelektor":{"a":"b"}}}""", "spec.template.spec.nodeSelektor: unknown field")]
    [InlineData("""{"spec":{"containers":[{"name":"worker"},{"name":"side","imagePullpolicy":"Always"}]}}""", "spec.template.spec.containers[1].imagePullpolicy: unknown field")]
    [InlineData("""{"metadata":{"label":{}}}""", "spec.template.metadata.label: unknown field")]
    [InlineData("""{"spec":{"containers":"worker"}}""", "spec.template.spec.containers: does not fit the type")]
    [InlineData("""{"spec":{"terminationGracePeriodSeconds":"long"}}""", "spec.template.spec.terminationGracePeriodSeconds: does not fit the type")]
    [InlineData(
        """{"spec":{"volumes":[{"name":"tmp","emptyDir":{"sizeLimit":"20GB"}}]}}""",
        "spec.template.spec.volumes[0].emptyDir.sizeLimit: does not fit the type of a pod template: '20GB' is no quantity")]
    [InlineData("""{"metadata":{"creationTimestamp":"yesterday"}}""", "spec.template: does not fit the type of a pod template: Unable to parse yesterday")]
    public void A_template_is_read_strictly(string template, string expected)
    {
        JsonObject model = Reviews.Json(Make.Model());
        model["spec"]!["template"] = JsonNode.Parse(template);
        string refusal = Assert.Single(Refusals(Reviews.Decide<CoServedModel>(model, null, null)));
        Assert.StartsWith(expected, refusal, StringComparison.Ordinal);
    }

    [Fact]
    public void A_quantity_that_is_none_is_refused_outside_of_the_template_too()
    {
        JsonObject model = Reviews.Json(Make.Model());
        model["spec"]!["resources"] = JsonNode.Parse("""{"limits":{"memory":"1e999999999"}}""");
        string refusal = Assert.Single(Refusals(Reviews.Decide<CoServedModel>(model, null, null)));
        Assert.StartsWith("spec.resources.limits.memory: does not fit the kind's schema: '1e999999999' is no quantity", refusal, StringComparison.Ordinal);
    }

    [Fact]
    public void A_template_of_known_fields_passes()
    {
        JsonObject model = Reviews.Json(Make.Model());
        model["spec"]!["template"] = JsonNode.Parse(
            """
            {"metadata":{"creationTimestamp":null,"labels":{"a":"b"}},
             "spec":{"nodeSelector":{"gpu":"yes"},"tolerations":[{"key":"gpu","operator":"Exists","tolerationSeconds":5}],
              "volumes":[{"name":"shm","emptyDir":{"medium":"Memory","sizeLimit":"1Gi"}}],
              "containers":[{"name":"worker","resources":{"limits":{"cpu":2,"memory":"1Gi"}},"env":[{"name":"A","value":"b"}]},
               {"name":"side","image":"side:1","livenessProbe":{"httpGet":{"port":"http"}},"ports":[{"containerPort":1}]}]}}
            """);
        Assert.Empty(Refusals(Reviews.Decide<CoServedModel>(model, null, null)));
    }

    [Fact]
    public void Before_the_caches_are_filled_only_the_object_itself_counts()
    {
        JsonObject job = Reviews.Json(Make.Job());
        Verdict verdict = Reviews.Decide<FinetuneJob>(job, null, around: null);
        Assert.Empty(verdict.Refusals);
        Assert.Empty(verdict.Warnings);
    }

    [Theory]
    [InlineData("DELETE", null)]
    [InlineData("CONNECT", null)]
    [InlineData("UPDATE", "status")]
    public void Other_requests_are_none_of_its_business(string operation, string? subresource)
    {
        var request = new AdmissionRequest
        {
            Operation = operation,
            SubResource = subresource,
            Object = Reviews.Json(Make.Model(spec => spec.Model.Uri = "nowhere")),
            OldObject = Reviews.Json(Make.Model()),
        };
        Assert.Same(Verdict.Pass, Kinds.Reviews[Kinds.CoServedModels].Decide(request, Reviews.Around()));
    }

    private static string[] Refusals(Verdict verdict) => Reviews.Texts(verdict.Refusals);

    private static string[] Warnings(Verdict verdict)
    {
        Assert.Empty(verdict.Refusals);
        return Reviews.Texts(verdict.Warnings);
    }
}
