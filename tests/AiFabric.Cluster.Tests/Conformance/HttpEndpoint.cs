using System.Net.Http.Headers;
using System.Text;
using AiFabric.Kube;
using k8s;

namespace AiFabric.Cluster.Tests.Conformance;

/// <summary>An API server as a plain HTTP client sees it.</summary>
internal sealed class HttpEndpoint : IDisposable
{
    private readonly Kubernetes _connection;

    private HttpEndpoint(Kubernetes connection, string? token)
    {
        _connection = connection;
        if (token is not null)
            connection.HttpClient.DefaultRequestHeaders.Authorization = new("Bearer", token);
    }

    /// <summary>The server and user of a kubeconfig file.</summary>
    public static HttpEndpoint Of(string kubeconfig)
    {
        KubernetesClientConfiguration access = KubeConfig.FromFile(kubeconfig);
        return new HttpEndpoint(new Kubernetes(access), access.AccessToken);
    }

    /// <summary>Sends one request and reads the whole answer.</summary>
    public async Task<(int Code, string Body)> SendAsync(
        string method, string path, string? body = null, string contentType = "application/json", string accept = "application/json")
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), new Uri(_connection.BaseUri, path));
        foreach (string one in accept.Split(','))
            request.Headers.Accept.Add(MediaTypeWithQualityHeaderValue.Parse(one));
        if (body is not null)
            request.Content = new StringContent(body, Encoding.UTF8, MediaTypeHeaderValue.Parse(contentType));
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        using HttpResponseMessage answer = await _connection.HttpClient.SendAsync(request, deadline.Token);
        return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync(deadline.Token));
    }

    public void Dispose() => _connection.Dispose();
}
