using System.Net;
using AiFabric.Crds.CoServedModels;
using AiFabric.Kube;
using AiFabric.Operator;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Models;
using AiFabric.Operator.Objects;
using AiFabric.Tests.Kube;
using k8s.Models;
using Microsoft.Extensions.Logging.Abstractions;
using Prometheus;
using Xunit;

namespace AiFabric.Tests.Operator;

/// <summary>What the API server refuses to take is an answer; any other trouble is a failure.</summary>
public sealed class RefusalTests : IDisposable
{
    private readonly FakeApiServer _server = new();
    private readonly OperatorMetrics _metrics = new(Metrics.NewCustomRegistry());
    private readonly OwnedObjects _objects;

    public RefusalTests() => _objects = new OwnedObjects(_server.Client(), _metrics);

    public void Dispose() => _server.Dispose();

    [Theory]
    [InlineData(HttpStatusCode.BadRequest)]
    [InlineData(HttpStatusCode.Forbidden)]
    [InlineData(HttpStatusCode.UnprocessableEntity)]
    public async Task A_refusal_names_the_object_and_gives_the_servers_words(HttpStatusCode code)
    {
        _server.FailNext(request => request.IsApply, code, "Quota");
        Assert.Equal(
            Check.Fail(Reasons.ObjectRefused, "the API server refuses Service demo: fake says Quota"), await _objects.ApplyAsync(Service(), default));
        Assert.Equal(Check.Pass, await _objects.ApplyAsync(Service(), default));

        _server.FailNext(request => request.Method == "DELETE", code, "Policy");
        Assert.Equal(
            Check.Fail(Reasons.ObjectRefused, "the API server refuses the deletion of Service demo: fake says Policy"),
            await _objects.DeleteAsync(Service(), default));
        Assert.Equal(1, _metrics.ObjectWrites.WithLabels("Service").Value);
    }

    [Theory]
    [InlineData(HttpStatusCode.Conflict)]
    [InlineData(HttpStatusCode.TooManyRequests)]
    [InlineData(HttpStatusCode.InternalServerError)]
    public async Task Any_other_failure_is_thrown(HttpStatusCode code)
    {
        _server.FailNext(request => request.IsApply, code, "Trouble");
        await Assert.ThrowsAsync<KubernetesApiException>(() => _objects.ApplyAsync(Service(), default));
    }

    [Fact]
    public async Task Nothing_to_write_is_no_request()
    {
        Assert.Equal(Check.Pass, await _objects.ApplyAsync<V1Service>(null, default));
        Assert.Equal(Check.Pass, await _objects.DeleteAsync<V1Service>(null, default));
        Assert.Empty(_server.Seen());
    }

    [Theory]
    [InlineData(5, 5)]
    [InlineData(3600, 60)]
    public void A_refused_object_is_tried_again_within_a_minute(int steady, int retry) =>
        Assert.Equal(TimeSpan.FromSeconds(retry), OwnedObjects.Retry(TimeSpan.FromSeconds(steady)));

    [Fact]
    public async Task A_refused_Deployment_stops_neither_gates_nor_other_objects()
    {
        CoServedModel model = Make.Model(spec => spec.Replicas = 2);
        _server.Put(new V1Pod { Metadata = new V1ObjectMeta { Name = "demo-0", NamespaceProperty = Make.Space } });
        _server.FailNext(request => request.IsApply && request.Path.EndsWith("/deployments/demo", StringComparison.Ordinal), HttpStatusCode.Forbidden, "Quota");
        ModelPlan plan = ModelPlanner.Plan(new ModelObservation { Model = model }, Make.Settings) with
        {
            Gates = [new GateChange(Make.Pod(), true, Reasons.Routed, "every gateway replica routes to the pod")],
        };

        ModelPlan done = await Executor().ApplyAsync(model, plan, default);
        Assert.Equal((Reasons.ObjectRefused, null), (done.Refused.Reason, done.Revision));
        Assert.Equal("True", _server.Find<V1Pod>("demo-0", Make.Space)!.Status.Conditions.Single().Status);
        Assert.NotNull(_server.Find<V1Service>("demo", Make.Space));
        Assert.NotNull(_server.Find<V1PodDisruptionBudget>("demo", Make.Space));
        Assert.Null(_server.Find<V1Deployment>("demo", Make.Space));

        done = await Executor().ApplyAsync(model, plan, default);
        Assert.Equal((true, plan.Revision), (done.Refused.Holds, done.Revision));
        Assert.NotNull(_server.Find<V1Deployment>("demo", Make.Space));
    }

    [Fact]
    public async Task A_refused_gate_is_told_and_stops_no_object()
    {
        CoServedModel model = Make.Model();
        _server.Put(new V1Pod { Metadata = new V1ObjectMeta { Name = "demo-0", NamespaceProperty = Make.Space } });
        _server.FailNext(request => request.Subresource == "status", HttpStatusCode.Forbidden, "Policy");
        ModelPlan plan = ModelPlanner.Plan(new ModelObservation { Model = model }, Make.Settings) with
        {
            Gates = [new GateChange(Make.Pod(), true, Reasons.Routed, "every gateway replica routes to the pod")],
        };
        ModelPlan done = await Executor().ApplyAsync(model, plan, default);
        Assert.Equal(("the API server refuses the readiness gate of Pod demo-0: fake says Policy", plan.Revision), (done.Refused.Message, done.Revision));
        Assert.NotNull(_server.Find<V1Deployment>("demo", Make.Space));
    }

    [Fact]
    public async Task A_refused_disruption_budget_is_told_once_and_is_no_condition()
    {
        CoServedModel model = Make.Model(spec => spec.Replicas = 2);
        ModelPlan plan = ModelPlanner.Plan(new ModelObservation { Model = model }, Make.Settings);
        ModelExecutor executor = Executor();
        for (int look = 0; look < 2; look++)
        {
            _server.FailNext(request => request.Path.Contains("/poddisruptionbudgets/", StringComparison.Ordinal), HttpStatusCode.Forbidden, "Policy");
            Assert.True((await executor.ApplyAsync(model, plan, default)).Refused.Holds);
        }
        FakeRequest told = Assert.Single(_server.Seen(request => request.CollectionPath == "/api/v1/events"));
        Assert.Equal((Reasons.ObjectRefused, "Warning"), ((string?)told.Json["reason"], (string?)told.Json["type"]));
    }

    private ModelExecutor Executor()
    {
        KubernetesClient client = _server.Client();
        var events = new EventRecorder(client, "test", TimeProvider.System, NullLogger<EventRecorder>.Instance);
        // No worker is asked.
        return new ModelExecutor(
            client, _objects, null!, new BudgetExecutor(_objects, events), events, _metrics, TimeProvider.System, NullLogger<ModelExecutor>.Instance);
    }

    private static V1Service Service() => new() { Metadata = new V1ObjectMeta { Name = "demo", NamespaceProperty = Make.Space } };
}
