using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using AiFabric.Crds.CoServedModels;
using AiFabric.Protocol;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace AiFabric.Cluster.Tests.Gateway;

/// <summary>What the tests of canaries and mirrors share.</summary>
internal static class TrafficBench
{
    /// <summary>Answers as a worker does: whole or as a stream, and with the model that was asked for.</summary>
    public static RequestDelegate Echo { get; } = async context =>
    {
        JsonNode body = JsonNode.Parse((string)context.Items[FakeWorker.BodyItem]!)!; // A JSON object.
        bool stream = body["stream"]?.GetValue<bool>() == true;
        context.Response.ContentType = stream ? "text/event-stream" : "application/json";
        string answer = $"{{\"id\":\"c-1\",\"model\":\"{body["model"]}\",\"choices\":[]}}";
        await context.Response.WriteAsync(stream ? $"data: {answer}\n\n{Scripts.Done}" : answer);
    };

    public static TrafficSpec To(string model, int percent, string? adapter = null) =>
        new() { ModelRef = new TrafficTarget { Name = model, Adapter = adapter }, Percent = percent };

    /// <summary>Asks, and says who answered: by the header and by the answer's model, which must agree.</summary>
    public static async Task<string> AnswererAsync(this HttpClient http, string model, string path = "/v1/chat/completions", bool stream = false, string? session = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = Asking.Chat(model, stream) };
        if (session is not null)
            request.Headers.Add("X-Session-Id", session);
        using HttpResponseMessage answer = await http.SendAsync(request);
        string body = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.IsSuccessStatusCode, body);
        string[] served = Assert.Single(answer.Headers.GetValues(WorkerHeaders.ServedBy)).Split('@');
        string json = stream ? body.Split('\n')[0]["data: ".Length..] : body;
        Assert.Equal(served[0], JsonDocument.Parse(json).RootElement.GetProperty("model").GetString());
        Assert.Equal("r1", served[1]);
        return served[0];
    }

    /// <summary>Waits until a gateway tells how it routes parts of the model's requests.</summary>
    public static Task AppliesAsync(this WebApplication gateway, string model, bool isReady, int count = 1) => GatewayBench.WaitAsync(
        async () =>
        {
            using var http = new HttpClient { BaseAddress = GatewayBench.Internal(gateway) };
            var report = await http.GetFromJsonAsync("/internal/routes", ControlJson.Default.RouteReport);
            return report!.Traffic?.Count(entry => entry.Model == model && entry.IsReady == isReady) == count; // Never the JSON null.
        },
        () => $"the gateway to route parts of {model}'s requests");

    /// <summary>A metric of the gateways in this process: all series with these labels together.</summary>
    public static async Task<double> MetricAsync(this GatewayBench bench, string name, params string[] labels)
    {
        string text = await bench.Http.GetStringAsync(new Uri(bench.InternalUrl, "/metrics"));
        return text.Split('\n')
            .Where(line => line.StartsWith(name + "{", StringComparison.Ordinal) && Array.TrueForAll(labels, label => line.Contains(label, StringComparison.Ordinal)))
            .Sum(line => double.Parse(line[(line.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture));
    }

    /// <summary>Waits until so many copies for a mirror have come to an end of this kind.</summary>
    public static async Task EndedAsync(this GatewayBench bench, string model, string end, int count)
    {
        double last = 0;
        await GatewayBench.WaitAsync(
            async () => (last = await bench.MetricAsync("aifabric_gateway_mirrored_requests_total", $"model=\"{model}\"", $"end=\"{end}\"")) == count,
            () => $"{count} copies of {model} to end as {end}; there are {last}");
    }
}
