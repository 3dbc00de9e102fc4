using System.Net.Http.Json;
using System.Text.Json;
using AiFabric.Cluster.Tests.Gateway.Pipelines;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.Pipelines;
using AiFabric.Gateway.Streaming;
using AiFabric.Protocol;
using AiFabric.Protocol.Gateway;
using Microsoft.AspNetCore.Builder;
using Xunit;

namespace AiFabric.Cluster.Tests.Gateway;

/// <summary>Requests go where their beginning is cached.</summary>
[Collection(GatewayGroup.Name)]
public sealed class PromptRoutingTests(GatewayBench bench)
{
    private static readonly string[] Subjects = ["rivers", "mountains", "clocks", "harbours", "winters", "orchards"];

    [Fact]
    public async Task The_second_turn_of_a_chat_goes_to_the_real_worker_that_has_the_first_in_its_cache()
    {
        await using RealWorker one = new(bench), two = new(bench);
        await bench.DeclareModelAsync("talk");
        await one.StartAsync("talk", 0);
        await two.StartAsync("talk", 1);
        await GatewayBench.WaitAsync(async () => (await bench.RoutesAsync()).Count(route => route.Model == "talk") == 2, () => "two routes");

        // Begun at the same time, so that both workers get some of them.
        Turn[] begun = await Task.WhenAll(Subjects.Select(subject => AskAsync(bench.Http, Message("user", Text(subject)))));
        int[] served = await Task.WhenAll(new[] { one, two }.Select(worker => CachedAsync(worker)));
        Assert.All(served, names => Assert.True(names > 0, string.Join(' ', served)));

        foreach ((Turn first, string subject) in begun.Zip(Subjects))
        {
            Turn second = await AskAsync(bench.Http, Second(subject, first));
            Assert.True(second.Cached >= first.Prompt - 16, $"{second} after {first}"); // All but the block that the first turn did not fill.
        }

        // A gateway that has seen none of it knows it from the workers.
        await using WebApplication fresh = await bench.StartGatewayAsync();
        using var http = new HttpClient { BaseAddress = new Uri(fresh.Urls.First()) };
        foreach ((Turn first, string subject) in begun.Zip(Subjects))
        {
            Turn again = await AskAsync(http, Second(subject, first));
            Assert.True(again.Cached >= first.Prompt - 16, $"{again} after {first}");
        }
    }

    [Fact]
    public async Task The_worker_is_told_names_of_the_prompt_and_clients_cannot_tell_any()
    {
        await using FakeWorker worker = await FakeWorker.StartAsync("named");
        await bench.ServeAsync("named", worker);
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions")
        {
            Content = Asking.Json(JsonSerializer.Serialize(new { model = "named", messages = new[] { Message("user", Text("rivers")) } })),
            Headers = { { WorkerHeaders.Prompt, "128;AAAAAAAAAAA" } },
        };
        await bench.Http.SendAsync(request);
        await bench.Http.AskAsync("named"); // Too short for a name.

        Assert.True(PromptPieces.TryParse(worker.Received[0].Headers["aifabric-prompt"], out PromptPieces? pieces));
        Assert.Equal(PromptPieces.CountIn(pieces.Bytes), pieces.Digests.Count);
        Assert.DoesNotContain(0ul, pieces.Digests);
        Assert.DoesNotContain("aifabric-prompt", worker.Received[1].Headers.Keys);
    }

    [Fact]
    public async Task Calls_of_a_pipelines_stage_name_the_beginning_that_they_share()
    {
        await using FakeWorker worker = await FakeWorker.StartAsync("staged", TalkingModel.Script(_ => "Yes."));
        await bench.ServeAsync("staged", worker);
        await bench.DeclarePipelineAsync("staging", new PipelineSpec
        {
            Stages =
            [
                new StageSpec { Name = "cut", Split = new SplitSpec { By = CutBy.Delimiter } },
                new StageSpec { Name = "judge", System = Text("rivers"), ModelRef = new ModelStageSpec { Name = "staged" }, Inputs = [new InputSpec { From = "cut" }] },
                new StageSpec { Name = "all", Join = new JoinSpec(), Inputs = [new InputSpec { From = "judge" }] },
            ],
            Output = new PipelineOutput { From = "all" },
        });
        using HttpResponseMessage answer = await bench.Http.PostAsync(
            "/v1/chat/completions", Asking.Json(JsonSerializer.Serialize(new { model = "staging", messages = new[] { Message("user", "one\ntwo") } })));
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());

        ulong[] beginnings = [.. worker.Received.Select(request =>
        {
            Assert.True(PromptPieces.TryParse(request.Headers["aifabric-prompt"], out PromptPieces? pieces));
            return pieces.Digests[0];
        })];
        Assert.Equal(2, beginnings.Length);
        Assert.Equal(beginnings[0], beginnings[1]);
    }

    [Fact]
    public async Task Requests_of_one_session_go_to_one_worker_through_any_gateway()
    {
        FakeWorker[] workers = [await FakeWorker.StartAsync("loyal"), await FakeWorker.StartAsync("loyal"), await FakeWorker.StartAsync("loyal")];
        await bench.ServeAsync("loyal", workers);
        await using WebApplication second = await bench.StartGatewayAsync();
        using var http = new HttpClient { BaseAddress = new Uri(second.Urls.First()) };

        for (int session = 0; session < 12; session++)
        {
            int[] before = [.. workers.Select(worker => worker.Received.Count)];
            for (int i = 0; i < 6; i++)
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions") { Content = Asking.Chat("loyal") };
                request.Headers.Add(CompletionForwarder.SessionHeader, $"session-{session}");
                using HttpResponseMessage answer = await (i % 2 == 0 ? bench.Http : http).SendAsync(request);
                Assert.True(answer.IsSuccessStatusCode);
            }
            Assert.Equal([0, 0, 6], workers.Select((worker, i) => worker.Received.Count - before[i]).Order());
        }
        Assert.All(workers, worker => Assert.NotEmpty(worker.Received));
        foreach (FakeWorker worker in workers)
            await worker.DisposeAsync();
    }

    [Fact]
    public async Task A_models_policy_is_followed_and_may_change_while_it_serves()
    {
        FakeWorker[] workers = [await FakeWorker.StartAsync("policed"), await FakeWorker.StartAsync("policed")];
        await bench.ServeAsync("policed", workers);
        string body = JsonSerializer.Serialize(new { model = "policed", messages = new[] { Message("user", Text("clocks")) } });
        foreach (RoutingPolicy policy in (RoutingPolicy[])[RoutingPolicy.RoundRobin, RoutingPolicy.PrefixHash])
        {
            CoServedModel model = (await bench.Client.GetAsync<CoServedModel>("policed", GatewayBench.Space))!; // Declared above.
            model.Spec.Routing = new RoutingSpec { Policy = policy };
            await bench.Client.UpdateAsync(model);
            int[] expected = policy == RoutingPolicy.RoundRobin ? [4, 4] : [0, 8];
            await GatewayBench.WaitAsync(
                async () =>
                {
                    int[] before = [.. workers.Select(worker => worker.Received.Count)];
                    for (int i = 0; i < 8; i++)
                        await bench.Http.PostAsync("/v1/chat/completions", Asking.Json(body));
                    return workers.Select((worker, i) => worker.Received.Count - before[i]).Order().SequenceEqual(expected);
                },
                () => $"requests to be shared out as {policy} does");
        }
        foreach (FakeWorker worker in workers)
            await worker.DisposeAsync();
    }

    private static object Message(string role, string text) => new { role, content = text };

    private static string Text(string subject) => string.Concat(Enumerable.Range(1, 12).Select(i => $"Sentence {i} tells of {subject} and of what they are to us. "));

    private static object[] Second(string subject, Turn first) =>
        [Message("user", Text(subject)), Message("assistant", first.Answer), Message("user", "Go on.")];

    private static async Task<Turn> AskAsync(HttpClient http, params object[] messages)
    {
        using HttpResponseMessage answer = await http.PostAsJsonAsync("/v1/chat/completions", new { model = "talk", messages, max_tokens = 8, temperature = 0 });
        string text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.IsSuccessStatusCode, text);
        JsonElement root = JsonDocument.Parse(text).RootElement, usage = root.GetProperty("usage");
        return new Turn(
            root.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString() ?? "", usage.GetProperty("prompt_tokens").GetInt32(),
            usage.TryGetProperty("prompt_tokens_details", out JsonElement details) ? details.GetProperty("cached_tokens").GetInt32() : 0);
    }

    private static async Task<int> CachedAsync(RealWorker worker)
    {
        using var http = new HttpClient { BaseAddress = worker.Url };
        return (await http.GetFromJsonAsync("/load", ControlJson.Default.WorkerLoad))!.Prefixes!.Added.Length / sizeof(ulong); // An engine tells both.
    }

    private sealed record Turn(string Answer, int Prompt, int Cached);
}
